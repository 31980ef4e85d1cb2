// tenure ps.
#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"
#include "tools/tenure/screens/table.h"

namespace tenure::tool {
namespace {

using Align = Table::Align;

std::string state_of(const Process& process) {
  if (process.ended) return "ended";
  return process.stopped ? "stopped" : "running";
}

void add_row(Table& table, const Process& process) {
  const Tenant& root = process.tenants[0];
  const Tenant& whole = process.tenants[process.whole];
  uint64_t failures = 0;
  for (const Tenant& tenant : process.tenants) failures += tenant.failures;
  table.add({std::to_string(process.pid), process.name, format_bytes(process.resident),
             format_bytes(root.usage), format_bytes(whole.max),
             std::to_string(process.tenants.size() - 1),
             std::to_string(total_events(process, kEventHigh)),
             std::to_string(total_events(process, kEventMax)), std::to_string(failures),
             state_of(process), process.command});
}

void print_json(const std::vector<Process>& processes) {
  Text out;
  fmt::format_to(std::back_inserter(out), "[");
  for (const Process& process : processes) {
    const Tenant& root = process.tenants[0];
    fmt::format_to(std::back_inserter(out), "{}{{", &process == processes.data() ? "" : ",\n ");
    write_facts(out, process);
    fmt::format_to(std::back_inserter(out),
                   ",\"tenants\":{},\"root\":", process.tenants.size() - 1);
    write_json(out, root, "/");
    fmt::format_to(std::back_inserter(out), ",\"max\":");
    const uint64_t max = process.tenants[process.whole].max;
    if (max == kUnlimited)
      fmt::format_to(std::back_inserter(out), "null}}");
    else
      fmt::format_to(std::back_inserter(out), "{}}}", max);
  }
  fmt::format_to(std::back_inserter(out), "]\n");
  print(out);
}

int list_processes(bool json) {
  Found found = find_all();
  for (const std::string& fault : found.faults) fmt::print(stderr, "tenure: {}\n", fault);
  std::vector<Process> processes;
  // The last figures of those that have ended are shown once: their files are removed.
  for (auto* const list : {&found.living, &found.ended}) {
    for (Located& located : *list) {
      try {
        processes.push_back(read_process(located));
      } catch (const Failure& failure) {
        fmt::print(stderr, "tenure: {}\n", failure.what());
      }
      if (!located.process) located.region.remove_if_dead();
    }
  }
  if (json) {
    print_json(processes);
    return 0;
  }
  Table table({{"PID"},
               {"NAME", Align::kLeft},
               {"RSS"},
               {"USAGE"},
               {"MAX"},
               {"TENANTS"},
               {"HIGHS"},
               {"MAXES"},
               {"FAILED"},
               {"STATE", Align::kLeft},
               {"COMMAND", Align::kLeft}});
  for (const Process& process : processes) add_row(table, process);
  print(table.text());
  return 0;
}

}  // namespace

void add_ps(CLI::App& app, Action& action) {
  Command command(
      app, "ps", "List the processes that show their tenants",
      "  tenure ps\n"
      "  tenure ps --json | jq '.[] | {pid, usage: .root.usage}'\n"
      "\n"
      "RSS is resident memory as the kernel counts, USAGE what Tenure counts. MAX is that of the "
      "whole process ('tenure run --max'). HIGHS and MAXES count how often usage "
      "went above a high\n"
      "limit and met a max, FAILED the requests that were refused. A process that has "
      "ended without removing its\n"
      "file (kill -9, a crash) is listed once more as 'ended', and the file is "
      "removed.");
  static bool json;
  command.json(json);
  command.runs(action, [] { return list_processes(json); });
}

}  // namespace tenure::tool
