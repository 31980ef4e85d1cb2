// tenure explain: where the bytes of a tenant are.
#include <fmt/core.h>

#include "live/layout.h"
#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"
#include "tools/tenure/model/explanation.h"
#include "tools/tenure/reader/control.h"
#include "tools/tenure/screens/table.h"

namespace tenure::tool {
namespace {

using Align = Table::Align;

// Has the process look at its heap, if somebody in it can. Whether it did.
bool refresh(const std::string& which) {
  constexpr std::chrono::milliseconds kPatience{2000};
  try {
    Located located = find_process(which, Region::Access::kWrite);
    if (!located.process) return false;
    const Process process = read_process(located);
    if (!process.answers || process.stopped) return false;
    const auto answer = RegionControl(located.region)
                            .ask(live::RequestKind::kLook, process.tenants[0], 0, kPatience);
    return answer && answer->result == 0;
  } catch (const Failure&) {
    return false;  // The figures that are there are shown; what is wrong is told by reading them.
  }
}

void print_classes(const Process& process) {
  Table table({{"CLASS", Align::kLeft},
               {"SLABS"},
               {"BYTES"},
               {"LIVE"},
               {"IN USE"},
               {"FREE: SLABS"},
               {"DEPOTS"},
               {"CPUS"}});
  for (const Class& entry : process.classes) {
    if (entry.slabs == 0) continue;
    const uint64_t used = entry.live * entry.size;
    table.add({entry.size == 0 ? "named caches" : std::to_string(entry.size),
               std::to_string(entry.slabs), format_bytes(entry.slab_bytes),
               std::to_string(entry.live),
               entry.size == 0 || entry.slab_bytes == 0
                   ? ""
                   : fmt::format("{:.0f}%", 100 * static_cast<double>(used) /
                                                static_cast<double>(entry.slab_bytes)),
               std::to_string(entry.in_slabs), std::to_string(entry.in_depots),
               std::to_string(entry.in_fronts)});
  }
  print(table.text());
}

void print_text(const Process& process, size_t index) {
  const Tenant& tenant = process.tenants[index];
  const Explanation explanation = explain_tenant(process, index);
  fmt::print("{}: usage {}, peak {}, max {}, high {}, policy {}\n", path_of(process, index),
             format_bytes(tenant.usage), format_bytes(tenant.peak), format_bytes(tenant.max),
             format_bytes(tenant.high), index == 0 ? "none" : policy_name(tenant.policy));
  for (const std::string& sentence : explanation.sentences) fmt::print("{}\n", sentence);
  fmt::print("\n");
  Table table({{"WHERE", Align::kLeft}, {"BYTES"}, {"SHARE"}, {"", Align::kLeft}});
  for (const Part& part : explanation.parts) {
    const double share = tenant.usage == 0 ? 0
                                           : 100 * static_cast<double>(part.bytes) /
                                                 static_cast<double>(tenant.usage);
    table.add({part.name, format_bytes(part.bytes), fmt::format("{:.0f}%", share), part.remark});
  }
  print(table.text());
  if (!process.classes.empty()) {
    fmt::print("\nSmall objects of the whole process, by size class:\n\n");
    print_classes(process);
  }
}

void print_json(const Process& process, size_t index) {
  const Explanation explanation = explain_tenant(process, index);
  Text out;
  fmt::format_to(std::back_inserter(out), "{{\"tenant\":");
  write_json(out, process.tenants[index], path_of(process, index));
  fmt::format_to(std::back_inserter(out), ",\"looked_at_ns\":{},\"parts\":[", process.looked_at_ns);
  for (const Part& part : explanation.parts) {
    fmt::format_to(std::back_inserter(out),
                   "{}{{\"name\":", &part == explanation.parts.data() ? "" : ",");
    write_quoted(out, part.name);
    fmt::format_to(std::back_inserter(out), ",\"bytes\":{}}}", part.bytes);
  }
  fmt::format_to(std::back_inserter(out), "],\"remarks\":[");
  for (const std::string& sentence : explanation.sentences) {
    if (&sentence != explanation.sentences.data()) fmt::format_to(std::back_inserter(out), ",");
    write_quoted(out, sentence);
  }
  fmt::format_to(std::back_inserter(out), "],\"classes\":[");
  for (const Class& entry : process.classes) {
    if (&entry != process.classes.data()) fmt::format_to(std::back_inserter(out), ",");
    write_json(out, entry);
  }
  fmt::format_to(std::back_inserter(out), "]}}\n");
  print(out);
}

int explain(const std::string& which, const std::string& path, bool json) {
  const bool fresh = refresh(which);
  const Process process = read_process(which);
  const size_t index = tenant_at(process, path);
  if (!fresh && !process.ended && !json) {
    fmt::print(stderr, "tenure: the process {}; figures of the heap are {}\n",
               process.stopped ? "is stopped" : "does not answer",
               process.looked_at_ns == 0 ? "not there"
                                         : "as of " + format_time(process.looked_at_ns));
  }
  json ? print_json(process, index) : print_text(process, index);
  return 0;
}

}  // namespace

void add_explain(CLI::App& app, Action& action) {
  Command command(app, "explain", "Tell where the bytes of a tenant are",
                  "  tenure explain 4711 /shop/acme\n"
                  "  tenure explain redis-server --json\n"
                  "\n"
                  "Asks the process for a look at its heap first; without an answer the figures of "
                  "the last look "
                  "are shown.");
  static std::string process, tenant = "/";
  static bool json;
  command.process(process, Presence::kRequired);
  command.positional("TENANT", tenant, "Its path (default: /)", Presence::kOptional);
  command.json(json);
  command.runs(action, [] { return explain(process, tenant, json); });
}

}  // namespace tenure::tool
