// tenure explain: where the bytes of a tenant are.
#include <fmt/core.h>

#include "live/layout.h"
#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"
#include "tools/tenure/model/explanation.h"
#include "tools/tenure/reader/ask.h"
#include "tools/tenure/reader/heap_answer.h"
#include "tools/tenure/screens/table.h"

namespace tenure::tool {
namespace {

using Align = Table::Align;

struct Request {
  std::string process, tenant = "/", timeout = "2s";
  bool json = false;
};

// The facts about the tenant: the process after its look, and the answer of the process, or the reason why it gave none.
struct Picture {
  Process process;
  size_t index = 0;
  std::optional<HeapShare> share;
  std::string silence;
};

// Asks for a look at the heap, and for the tenant's part of it. Without an answer, the command shows the figures of the region.
Picture look(const Request& request) {
  const auto patience = parse_interval(request.timeout, std::chrono::milliseconds(1));
  Located located = find_process(request.process, Region::Access::kWrite);
  Picture picture{read_process(located), 0, std::nullopt, ""};
  picture.index = tenant_at(picture.process, request.tenant);
  if (!located.process) {
    picture.silence = fmt::format("process {} ({}) has ended; this is what it left in {}",
                                  picture.process.pid, picture.process.name, located.region.path());
    return picture;
  }
  try {
    if (picture.process.stopped) throw Failure(silence_of(picture.process, patience));
    const Process before = picture.process;
    ask_process(located, before, {live::RequestKind::kLook}, patience);
    const Answer answer =
        ask_process(located, before, {live::RequestKind::kDump, picture.index}, patience);
    picture.share = parse_heap_share(answer.file);
  } catch (const Failure& failure) {
    picture.silence = failure.what();
  }
  picture.process = read_process(located);
  picture.index = tenant_at(picture.process, request.tenant);
  return picture;
}

std::string size_of(uint64_t size) { return size == 0 ? "named caches" : std::to_string(size); }

std::string percent(uint64_t part, uint64_t whole) {
  return whole == 0
             ? ""
             : fmt::format("{:.0f}%", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

void print_classes_of_process(const Process& process) {
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
    table.add({size_of(entry.size), std::to_string(entry.slabs), format_bytes(entry.slab_bytes),
               std::to_string(entry.live),
               entry.size == 0 ? "" : percent(entry.live * entry.size, entry.slab_bytes),
               std::to_string(entry.in_slabs), std::to_string(entry.in_depots),
               std::to_string(entry.in_fronts)});
  }
  fmt::print("\nSmall objects of the whole process, by size class:\n\n");
  print(table.text());
}

void print_classes_of_tenant(const HeapShare& share) {
  Table table({{"CLASS", Align::kLeft},
               {"LIVE"},
               {"BYTES"},
               {"SHARED"},
               {"IN SLABS"},
               {"OWN SLABS"},
               {"BYTES"},
               {"FREE: SLABS"},
               {"DEPOTS"},
               {"CPUS"}});
  for (const ClassShare& entry : share.classes) {
    table.add({size_of(entry.size), std::to_string(entry.live), format_bytes(entry.live_bytes),
               std::to_string(entry.pooled), std::to_string(entry.pooled_slabs),
               std::to_string(entry.slabs), format_bytes(entry.slab_bytes),
               std::to_string(entry.in_slabs), std::to_string(entry.in_depots),
               std::to_string(entry.in_fronts)});
  }
  fmt::print("\nIts small objects by size class; those in slabs that tenants share, and its own "
             "slabs:\n\n");
  print(table.text());
}

void print_holders(const HeapShare& share) {
  Table table({{"HOLDER", Align::kLeft}, {"SLABS"}, {"ALONE"}, {"BYTES"}, {"CHARGED"}});
  for (const Holder& holder : share.holders) {
    const std::string name = holder.departed.empty()
                                 ? holder.tenant
                                 : holder.departed + " (departed; " + holder.tenant + " pays)";
    table.add({name, std::to_string(holder.slabs), std::to_string(holder.alone),
               format_bytes(holder.bytes), format_bytes(holder.held)});
  }
  if (share.other_holders != 0)
    table.add({fmt::format("{} others", share.other_holders), std::to_string(share.other_slabs), "",
               "", ""});
  fmt::print("\nWho keeps slabs in use; those with objects of this holder alone could be given "
             "back if it freed them:\n\n");
  print(table.text());
}

void print_text(const Picture& picture) {
  const Process& process = picture.process;
  const Tenant& tenant = process.tenants[picture.index];
  const HeapShare* const share = picture.share ? &*picture.share : nullptr;
  const Explanation explanation = explain_tenant(process, picture.index, share);
  fmt::print("{}: usage {}, peak {}, max {}, high {}, policy {}\n", path_of(process, picture.index),
             format_bytes(tenant.usage), format_bytes(tenant.peak), format_bytes(tenant.max),
             format_bytes(tenant.high), picture.index == 0 ? "none" : policy_name(tenant.policy));
  for (const std::string& sentence : explanation.sentences) fmt::print("{}\n", sentence);
  fmt::print("\n");
  Table table({{"WHERE", Align::kLeft}, {"BYTES"}, {"SHARE"}, {"", Align::kLeft}});
  for (const Part& part : explanation.parts)
    table.add(
        {part.name, format_bytes(part.bytes), percent(part.bytes, tenant.usage), part.remark});
  print(table.text());
  if (share && !share->classes.empty()) print_classes_of_tenant(*share);
  if (share && !share->holders.empty()) print_holders(*share);
  if (!process.classes.empty() && (picture.index == 0 || !share)) print_classes_of_process(process);
}

void print_json(const Picture& picture) {
  const Process& process = picture.process;
  const Explanation explanation =
      explain_tenant(process, picture.index, picture.share ? &*picture.share : nullptr);
  Text out;
  fmt::format_to(std::back_inserter(out), "{{\"tenant\":");
  write_json(out, process.tenants[picture.index], path_of(process, picture.index));
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
  fmt::format_to(std::back_inserter(out), "],\"heap\":");
  if (picture.share) {
    out += "{";
    write_members(out, *picture.share);
    out += "}";
  } else {
    out += "null";
  }
  fmt::format_to(std::back_inserter(out), ",\"classes\":[");
  for (const Class& entry : process.classes) {
    if (&entry != process.classes.data()) fmt::format_to(std::back_inserter(out), ",");
    write_json(out, entry);
  }
  fmt::format_to(std::back_inserter(out), "]}}\n");
  print(out);
}

int explain(const Request& request) {
  const Picture picture = look(request);
  if (!picture.silence.empty()) {
    const std::string as_of = picture.process.looked_at_ns == 0
                                  ? "not there"
                                  : "as of " + format_time(picture.process.looked_at_ns);
    fmt::print(stderr, "tenure: {}; figures of the heap are {}\n", picture.silence, as_of);
  }
  request.json ? print_json(picture) : print_text(picture);
  return 0;
}

}  // namespace

void add_explain(CLI::App& app, Action& action) {
  Command command(
      app, "explain", "Tell where the bytes of a tenant are",
      "  tenure explain 4711 /shop/acme\n"
      "  tenure explain redis-server --json\n"
      "\n"
      "Asks the process for a look at its heap: the tenant's objects by size class, free "
      "objects by level, and who keeps slabs in use. Without an answer the figures of the "
      "last look are shown.");
  static Request request;
  command.process(request.process, Presence::kRequired);
  command.positional("TENANT", request.tenant, "Its path (default: /)", Presence::kOptional);
  command.option("--timeout", request.timeout, "TIME",
                 "Wait no longer for the answer (default 2s)");
  command.json(request.json);
  command.runs(action, [] { return explain(request); });
}

}  // namespace tenure::tool
