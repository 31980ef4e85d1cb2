// tenure events.
#include <fmt/core.h>
#include <time.h>

#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"
#include "tools/tenure/model/path_glob.h"
#include "tools/tenure/reader/region_tables.h"

namespace tenure::tool {
namespace {

struct Request {
  std::string process, tenant = "/**";
  std::vector<std::string> kinds;
  bool follow = false, reports = false, json = false;
};

class Printer {
public:
  Printer(const Request& request, const Region& region) : request_(request), region_(region) {}

  void print_new(const Process& process) {
    if (process.events.empty()) return;
    const uint64_t first = process.events.front().sequence;
    if (next_ != 0 && first > next_)
      fmt::print(stderr, "tenure: {} events were overwritten before they were read\n",
                 first - next_);
    for (const Event& event : process.events) {
      if (event.sequence >= next_ && is_asked_for(event)) print_one(event);
    }
    next_ = process.events.back().sequence + 1;
    fflush(stdout);  // For pipes: events come one by one.
  }

private:
  bool is_asked_for(const Event& event) const {
    const auto& kinds = request_.kinds;
    return (kinds.empty() || std::find(kinds.begin(), kinds.end(), event.kind) != kinds.end()) &&
           (request_.tenant == "/**" || matches(normal_path(request_.tenant), event.tenant));
  }

  void print_one(const Event& event) const {
    if (request_.json) {
      Text out;
      write_json(out, event);
      fmt::format_to(std::back_inserter(out), "\n");
      print(out);
      return;
    }
    fmt::print("{}  {:<9} {}{}{}\n", format_time(event.time_ns), event.kind, event.tenant,
               event.text.empty() ? "" : "  ", event.text);
    if (request_.reports && event.kind == "report")
      print(copy_report(RegionBytes(region_.fd()), region_.header(), event.number));
  }

  const Request& request_;
  const Region& region_;
  uint64_t next_ = 0;  // The sequence that is printed next.
};

int show_events(const Request& request) {
  for (const std::string& kind : request.kinds) {
    const std::vector<std::string> known = {"low",    "high",    "max",     "overdraw", "abort",
                                            "failed", "created", "offline", "report",   "served"};
    if (std::find(known.begin(), known.end(), kind) == known.end())
      throw Failure(fmt::format("events: there is no kind '{}'; see tenure events --help", kind));
  }
  Located located = find_process(request.process);
  Printer printer(request, located.region);
  constexpr timespec kPause{0, 200'000'000};
  uint64_t read = UINT64_MAX;
  for (;;) {
    // Looked at before the events are read: those of the last moments are printed.
    const bool is_alive = located.process && located.region.is_held();
    const uint64_t written = located.region.events_written();
    if (written != read) printer.print_new(read_process(located));
    read = written;
    if (!request.follow) return 0;
    if (!is_alive) {
      fmt::print(stderr, "tenure: process {} has ended\n", request.process);
      return 0;
    }
    nanosleep(&kPause, nullptr);
  }
}

}  // namespace

void add_events(CLI::App& app, Action& action) {
  Command command(
      app, "events", "Show what happened to the tenants of a process",
      "  tenure events 4711\n"
      "  tenure events 4711 --follow --kind failed --kind max\n"
      "  tenure events 4711 '/shop/*' --reports\n"
      "  tenure events 4711 --follow --json | jq -r '.tenant'\n"
      "\n"
      "A process keeps its last 1,024 events, also after it has crashed. Kinds: low, high, max, "
      "overdraw, abort (events\n"
      "of the API), failed (a request was refused), created, offline, report, served.");
  static Request request;
  command.process(request.process, Presence::kRequired);
  command.positional("TENANT", request.tenant, "Only events of these tenants: a path or a pattern",
                     Presence::kOptional);
  command.flag("--follow,-f", request.follow, "Go on until the process ends");
  command.options("--kind", request.kinds, "KIND",
                  "Only events of this kind; may be given several times");
  command.flag("--reports", request.reports, "With the text of the reports of refused requests");
  command.json(request.json);
  command.runs(action, [] { return show_events(request); });
}

}  // namespace tenure::tool
