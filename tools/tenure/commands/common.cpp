#include "tools/tenure/commands/common.h"

#include <stdio.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "tools/tenure/commands/words.h"
#include "tools/tenure/model/path_glob.h"
#include "tools/tenure/reader/control.h"

namespace tenure::tool {

Process read_process(Located& located) {
  if (located.process) {  // It may have been stopped or continued since.
    const auto facts = look_at_process(located.process->pid);
    if (facts && located.region.belongs_to(*facts)) return located.region.read(facts);
  }
  return located.region.read(std::nullopt);
}

Process sample_process(Located& located) {
  Process process = read_process(located);
  constexpr int64_t kSecond = 1'000'000'000;
  if (!process.ended && !process.stopped && process.taken_ns - process.looked_at_ns > kSecond)
    ask_for_look(located.region);
  return process;
}

Process read_process(const std::string& process) {
  Located located = find_process(process);
  Process result = read_process(located);
  if (result.ended)
    fmt::print(stderr, "tenure: process {} ({}) has ended; this is what it left in {}\n",
               result.pid, result.name, located.region.path());
  return result;
}

Sample read_all() {
  static std::set<std::string> told;
  Sample sample;
  sample.time_ns = realtime_ns();
  Found found = find_all();
  for (const std::string& fault : found.faults) {
    if (told.insert(fault).second) fmt::print(stderr, "tenure: {}\n", fault);
  }
  for (const Located& ended : found.ended) ended.region.remove_if_dead();
  for (Located& located : found.living) {
    try {
      sample.processes.push_back(sample_process(located));
    } catch (const Failure& failure) {
      if (told.insert(failure.what()).second) fmt::print(stderr, "tenure: {}\n", failure.what());
    }
  }
  return sample;
}

size_t tenant_at(const Process& process, const std::string& path) {
  const std::string normal = normal_path(path);
  const int64_t found = find_tenant(process, normal);
  if (found >= 0) return static_cast<size_t>(found);
  std::string nearest;
  size_t least = 1 + normal.size() / 3;
  if (process.tenants.size() <= 10'000) {
    for (const std::string& other : paths_of(process)) {
      const size_t changes = distance(normal, other);
      if (changes >= least || other == "/") continue;
      least = changes;
      nearest = "; did you mean " + other + "?";
    }
  }
  throw Failure(
      fmt::format("process {} ({}) has no tenant {}{}", process.pid, process.name, normal, nearest),
      kExitNotThere);
}

std::vector<size_t> tenants_at(const Process& process, const std::string& pattern) {
  // A name may hold what a pattern is made of.
  const std::string normal = normal_path(pattern);
  if (!is_pattern(pattern) || find_tenant(process, normal) >= 0)
    return {tenant_at(process, pattern)};
  std::vector<size_t> indices;
  const std::vector<std::string> paths = paths_of(process);
  for (size_t i = 0; i < paths.size(); ++i) {
    if (process.tenants[i].online && matches(normal, paths[i])) indices.push_back(i);
  }
  if (indices.empty())
    throw Failure(fmt::format("process {} ({}) has no tenant that matches {}", process.pid,
                              process.name, normal),
                  kExitNotThere);
  return indices;
}

void print(const std::string& text) { fwrite(text.data(), 1, text.size(), stdout); }

std::string format_time(int64_t time_ns) {
  const time_t seconds = time_ns / 1'000'000'000;
  tm parts{};
  localtime_r(&seconds, &parts);
  char text[32] = "";
  strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return fmt::format("{}.{:03}", text, time_ns / 1'000'000 % 1000);
}

int64_t realtime_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::chrono::milliseconds parse_interval(const std::string& text, std::chrono::milliseconds least) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  const double factor = unit == "ms"                  ? 1
                        : unit.empty() || unit == "s" ? 1000
                        : unit == "m"                 ? 60'000
                                                      : 0;
  const double milliseconds = value * factor;
  if (error != std::errc() || factor == 0 ||
      !(milliseconds >= static_cast<double>(least.count())) || milliseconds > 3'600'000)
    throw Failure(
        fmt::format("'{}' is no time from {} ms to 60 m: say 500ms, 2s, 1m", text, least.count()));
  return std::chrono::milliseconds(static_cast<int64_t>(milliseconds));
}

}  // namespace tenure::tool
