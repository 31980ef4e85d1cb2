#include "tools/tenure/profile/profile_output.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/tenure/profile/symbols.h"

namespace tenure::tool {
namespace {

struct Sum {
  double allocated_objects = 0, allocated_bytes = 0, live_objects = 0, live_bytes = 0;
  uint64_t oldest_ms = 0;

  void add(const ProfileRow& row) {
    allocated_objects += row.allocated_objects;
    allocated_bytes += row.allocated_bytes;
    live_objects += row.live_objects;
    live_bytes += row.live_bytes;
    oldest_ms = std::max(oldest_ms, row.oldest_ms);
  }
};

std::string bytes_in_words(double bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; std::fabs(bytes) >= 1024 && unit < 4; ++unit) bytes /= 1024;
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

// Without parameters, versions of symbols and the namespace without a name.
std::string short_name(std::string name) {
  constexpr std::string_view kUnnamed = "(anonymous namespace)::";
  for (size_t at; (at = name.find(kUnnamed)) != std::string::npos;) name.erase(at, kUnnamed.size());
  const size_t end = name.find_first_of("(@", 1);
  return name.substr(0, end);
}

// The innermost calls first, as far as they fit a line.
std::string short_stack(const std::vector<std::string>& calls) {
  std::string text;
  for (size_t i = calls.size(); i-- > 0;) {
    const std::string name = short_name(calls[i]);
    if (!text.empty() && text.size() + name.size() > 100) return text + " < ...";
    text += (text.empty() ? "" : " < ") + name;
  }
  return text;
}

void append_top(std::string& out, const std::map<std::pair<std::string, std::string>, Sum>& sites,
                const char* title, double Sum::*by) {
  constexpr size_t kMost = 30;
  std::vector<const std::pair<const std::pair<std::string, std::string>, Sum>*> order;
  for (const auto& site : sites) {
    if (std::fabs(site.second.*by) >= 0.5) order.push_back(&site);
  }
  std::sort(order.begin(), order.end(), [by](const auto* a, const auto* b) {
    return std::fabs(a->second.*by) > std::fabs(b->second.*by);
  });
  out += fmt::format("\n{}\n{:>12} {:>12} {:>12} {:>12} {:>9}  tenant  site\n", title, "in use",
                     "objects", "allocated", "objects", "oldest s");
  for (size_t i = 0; i < order.size() && i < kMost; ++i) {
    const auto& [key, sum] = *order[i];
    out += fmt::format("{:>12} {:>12.0f} {:>12} {:>12.0f} {:>9.1f}  {}  {}\n",
                       bytes_in_words(sum.live_bytes), sum.live_objects,
                       bytes_in_words(sum.allocated_bytes), sum.allocated_objects,
                       static_cast<double>(sum.oldest_ms) / 1000, key.first, key.second);
  }
}

}  // namespace

std::string text_of(const Profile& profile) {
  Symbols symbols(profile);
  Sum all;
  std::map<std::string, Sum> tenants;
  std::map<std::pair<std::string, std::string>, Sum> sites;
  uint64_t samples = 0;
  for (const ProfileRow& row : profile.rows) {
    all.add(row);
    tenants[row.tenant].add(row);
    sites[{row.tenant, short_stack(symbols.calls(row))}].add(row);
    samples += row.samples;
  }
  std::string out =
      fmt::format("{} in use, {} allocated, by {} samples", bytes_in_words(all.live_bytes),
                  bytes_in_words(all.allocated_bytes), samples);
  if (profile.lost != 0) out += fmt::format("; {} samples were lost", profile.lost);
  out += fmt::format("\n\n{:>12} {:>12} {:>12} {:>12}  tenant\n", "in use", "objects", "allocated",
                     "objects");
  for (const auto& [path, sum] : tenants) {
    out += fmt::format("{:>12} {:>12.0f} {:>12} {:>12.0f}  {}\n", bytes_in_words(sum.live_bytes),
                       sum.live_objects, bytes_in_words(sum.allocated_bytes), sum.allocated_objects,
                       path);
  }
  append_top(out, sites, "Most in use", &Sum::live_bytes);
  append_top(out, sites, "Most allocated", &Sum::allocated_bytes);
  return out;
}

// By tenant, the largest first; of each, the sites that hold most.
std::string leaks_of(const Profile& profile) {
  Symbols symbols(profile);
  std::map<std::string, std::pair<Sum, std::map<std::string, Sum>>> tenants;
  for (const ProfileRow& row : profile.rows) {
    if (!row.departed || row.live_samples == 0) continue;
    auto& [all, sites] = tenants[row.tenant];
    all.add(row);
    sites[short_stack(symbols.calls(row))].add(row);
  }
  if (tenants.empty()) return "No departed tenant has sampled objects in use.\n";
  const auto largest_first = [](const auto& a, const auto& b) { return a.first > b.first; };
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [path, its] : tenants) order.emplace_back(its.first.live_bytes, path);
  std::sort(order.begin(), order.end(), largest_first);
  std::string out;
  for (const auto& [bytes, path] : order) {
    const auto& [all, sites] = tenants[path];
    out += fmt::format("{}: {} in about {:.0f} objects, the oldest of {:.1f} s\n", path,
                       bytes_in_words(bytes), all.live_objects,
                       static_cast<double>(all.oldest_ms) / 1000);
    std::vector<std::pair<double, std::string>> largest;
    for (const auto& [site, sum] : sites) largest.emplace_back(sum.live_bytes, site);
    std::sort(largest.begin(), largest.end(), largest_first);
    for (const auto& [its_bytes, site] : largest)
      out += fmt::format("{:>12} {:>10.0f} objects, {:>7.1f} s  {}\n", bytes_in_words(its_bytes),
                         sites.at(site).live_objects,
                         static_cast<double>(sites.at(site).oldest_ms) / 1000, site);
  }
  return out;
}

std::string collapsed_of(const Profile& profile) {
  Symbols symbols(profile);
  std::map<std::string, double> lines;
  double live = 0;
  for (const ProfileRow& row : profile.rows) live += std::fabs(row.live_bytes);
  for (const ProfileRow& row : profile.rows) {
    std::string line = row.tenant;
    for (std::string& call : symbols.calls(row)) {
      std::replace(call.begin(), call.end(), ';', ':');
      line += ";" + call;
    }
    lines[line] += live != 0 ? row.live_bytes : row.allocated_bytes;
  }
  std::string out;
  for (const auto& [line, bytes] : lines) {
    if (std::llround(bytes) != 0) out += fmt::format("{} {}\n", line, std::llround(bytes));
  }
  return out;
}

std::string json_of(const Profile& profile) {
  Symbols symbols(profile);
  nlohmann::ordered_json out = {{"time", profile.time},
                                {"mean", profile.mean},
                                {"lost", profile.lost},
                                {"sites", nlohmann::ordered_json::array()}};
  for (const ProfileRow& row : profile.rows) {
    out["sites"].push_back({{"tenant", row.tenant},
                            {"departed", row.departed},
                            {"thread", row.thread},
                            {"size", row.size},
                            {"allocated_objects", row.allocated_objects},
                            {"allocated_bytes", row.allocated_bytes},
                            {"live_objects", row.live_objects},
                            {"live_bytes", row.live_bytes},
                            {"samples", row.samples},
                            {"live_samples", row.live_samples},
                            {"oldest_ms", row.oldest_ms},
                            {"newest_ms", row.newest_ms},
                            {"stack", symbols.calls(row)}});
  }
  // Names that are no UTF-8 must not end the tool.
  return out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace tenure::tool
