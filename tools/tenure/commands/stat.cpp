// tenure stat.
#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"

namespace tenure::tool {
namespace {

template <typename Value>
void line(Text& out, std::string_view name, const Value& value) {
  fmt::format_to(std::back_inserter(out), "{:<22} {}\n", name, value);
}

// Both for people and exact.
std::string both(uint64_t bytes) {
  return bytes == kUnlimited ? "max" : fmt::format("{:<8} {}", format_bytes(bytes), bytes);
}

void write_process(Text& out, const Process& process) {
  line(out, "process", fmt::format("{} ({})", process.pid, process.name));
  line(out, "command", process.command);
  line(out, "library", fmt::format("{}, {}", process.version, process.mode));
  line(out, "state", process.ended ? "ended" : process.stopped ? "stopped" : "running");
  line(out, "resident", both(process.resident));
  line(out, "requests",
       process.answers ? "served by the helper thread"
                       : "no helper thread: served when the process allocates");
  line(out, "tenants", process.tenants.size() - 1);
  if (process.looked_at_ns == 0) {
    line(out, "heap", "not looked at yet");
    return;
  }
  line(out, "heap as of", format_time(process.looked_at_ns));
  for (const Total& total : process.totals) line(out, "  " + total.name, both(total.bytes));
}

void write_tenant(Text& out, const Process& process, size_t index) {
  const Tenant& tenant = process.tenants[index];
  line(out, "tenant", path_of(process, index));
  line(out, "state", tenant.online ? "online" : "offline");
  line(out, "id", tenant.id);
  const char* const as_of = index == 0 && !process.ended
                                ? "  as of the last growth of the heap, turn of the helper, or look"
                                : "";
  line(out, "usage", both(tenant.usage) + as_of);
  line(out, "peak", both(tenant.peak));
  line(out, "min", both(tenant.min));
  line(out, "low", both(tenant.low));
  line(out, "high", both(tenant.high));
  line(out, "max", both(tenant.max));
  if (index != 0)
    line(out, "policy",
         fmt::format("{}, reserve {}", policy_name(tenant.policy), format_bytes(tenant.reserve)));
  line(out, "failed requests", tenant.failures);
  for (size_t i = 0; i < kEventKinds; ++i)
    line(out, fmt::format("events {}", kEventNames[i]),
         fmt::format("{}, with all below {}", tenant.events[i], tenant.subtree_events[i]));
  const Stall& stall = tenant.some;
  line(out, "stall some",
       fmt::format("avg10={} avg60={} avg300={} total={}us", format_share(stall.average[0]),
                   format_share(stall.average[1]), format_share(stall.average[2]), stall.total_us));
  line(out, "own objects", both(tenant.own));
  line(out, "cached", both(tenant.cached));
  line(out, "of departed tenants", both(tenant.dead));
  line(out, "mapped", both(tenant.mapped));
}

int show(const std::string& which, const std::string& path, bool json) {
  const Process process = read_process(which);
  Text out;
  if (path.empty()) {
    if (json) {
      write_json(out, process);
      fmt::format_to(std::back_inserter(out), "\n");
    } else {
      write_process(out, process);
      fmt::format_to(std::back_inserter(out), "\n");
      write_tenant(out, process, process.whole);
    }
  } else {
    const size_t index = tenant_at(process, path);
    if (json) {
      write_json(out, process.tenants[index], path_of(process, index));
      fmt::format_to(std::back_inserter(out), "\n");
    } else {
      write_tenant(out, process, index);
    }
  }
  print(out);
  return 0;
}

}  // namespace

void add_stat(CLI::App& app, Action& action) {
  Command command(
      app, "stat", "Show all figures of a process or of one tenant",
      "  tenure stat 4711\n"
      "  tenure stat 4711 /shop/acme\n"
      "  tenure stat 4711 /shop/acme --json | jq .usage\n"
      "\n"
      "Own objects, cached bytes and the heap's levels are as of the process's last look at its "
      "heap; the rest is exact.\n"
      "Without TENANT, --json prints everything: totals, classes, events, all tenants.");
  static std::string process, tenant;
  static bool json;
  command.process(process, Presence::kRequired);
  command.positional("TENANT", tenant, "Its path", Presence::kOptional);
  command.json(json);
  command.runs(action, [] { return show(process, tenant, json); });
}

}  // namespace tenure::tool
