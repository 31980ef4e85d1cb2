// tenure ls.
#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"
#include "tools/tenure/model/order.h"
#include "tools/tenure/model/path_glob.h"
#include "tools/tenure/screens/table.h"

namespace tenure::tool {
namespace {

struct Request {
  std::string process, top = "/";
  std::string sort = "name";
  uint64_t depth = UINT64_MAX;
  bool flat = false, json = false;
};

using Align = Table::Align;

// In the order in which they are shown.
std::vector<size_t> chosen(const Process& process, const Request& request) {
  std::vector<bool> in(process.tenants.size());
  if (is_pattern(request.top) && find_tenant(process, normal_path(request.top)) < 0) {
    for (const size_t index : tenants_at(process, request.top)) in[index] = true;
  } else {
    const size_t top = tenant_at(process, request.top);
    in[top] = true;
    for (size_t i = 0; i < in.size(); ++i) {
      const Tenant& tenant = process.tenants[i];
      if (tenant.parent != kNoParent && in[tenant.parent] &&
          tenant.depth - process.tenants[top].depth <= request.depth)
        in[i] = true;
    }
  }
  std::vector<size_t> order = preorder(process, order_by(request.sort));
  if (request.flat && request.sort != "name") {
    const auto before = order_by(request.sort);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return before(process.tenants[a], process.tenants[b]);
    });
  }
  std::erase_if(order, [&](size_t index) { return !in[index]; });
  return order;
}

std::string share_of_limit(const Process& process, size_t index) {
  const int64_t limit = nearest_limit(process, index);
  if (limit < 0) return "";
  const Tenant& tenant = process.tenants[static_cast<size_t>(limit)];
  if (tenant.max == 0) return "100%";
  return fmt::format("{:.0f}%",
                     100 * static_cast<double>(tenant.usage) / static_cast<double>(tenant.max));
}

void print_text(const Process& process, const Request& request) {
  Table table({{"TENANT", Align::kLeft},
               {"USAGE"},
               {"MAX"},
               {"FULL"},
               {"HIGH"},
               {"PEAK"},
               {"HIGHS"},
               {"MAXES"},
               {"FAILED"},
               {"STALL10"},
               {"POLICY", Align::kLeft}});
  const bool paths = request.flat || is_pattern(request.top);
  for (const size_t index : chosen(process, request)) {
    const Tenant& tenant = process.tenants[index];
    std::string name = paths ? path_of(process, index)
                       : tenant.parent == kNoParent
                           ? "/"
                           : std::string(2 * tenant.depth, ' ') + tenant.name;
    if (!tenant.online) name += " (offline)";
    table.add({std::move(name), format_bytes(tenant.usage), format_bytes(tenant.max),
               share_of_limit(process, index), format_bytes(tenant.high), format_bytes(tenant.peak),
               std::to_string(tenant.events[kEventHigh]), std::to_string(tenant.events[kEventMax]),
               std::to_string(tenant.failures), format_share(tenant.some.average[0]),
               index == 0 ? "" : policy_name(tenant.policy)});
  }
  print(table.text());
}

void print_json(const Process& process, const Request& request) {
  Text out;
  fmt::format_to(std::back_inserter(out), "[");
  const std::vector<std::string> paths = paths_of(process);
  bool first = true;
  for (const size_t index : chosen(process, request)) {
    fmt::format_to(std::back_inserter(out), "{}", first ? "" : ",\n ");
    first = false;
    write_json(out, process.tenants[index], paths[index]);
  }
  fmt::format_to(std::back_inserter(out), "]\n");
  print(out);
}

int list_tenants(const Request& request) {
  const Process process = read_process(request.process);
  request.json ? print_json(process, request) : print_text(process, request);
  return 0;
}

}  // namespace

void add_ls(CLI::App& app, Action& action) {
  Command command(
      app, "ls", "List the tenants of a process as a tree",
      "  tenure ls 4711\n"
      "  tenure ls redis-server --sort usage\n"
      "  tenure ls 4711 /shop --depth 1\n"
      "  tenure ls 4711 '/shop/*' --json\n"
      "\n"
      "Usage has that of all below in it. FULL is how much of the nearest limit is used: the "
      "tenant's own max or\n"
      "that of an ancestor, whichever leaves less room. STALL10 is the share of the last ten "
      "seconds, in percent, in\n"
      "which a thread waited for memory.");
  static Request request;
  command.process(request.process, Presence::kRequired);
  command.positional("TENANT", request.top, "Only this tenant and all below, or a pattern",
                     Presence::kOptional);
  command.option("--sort", request.sort, "KEY", "Order of children: " + words_of_orders(),
                 is_order);
  command.number("--depth", request.depth, "LEVELS", "At most so many levels below");
  command.flag("--flat", request.flat, "Paths in one list, sorted throughout");
  command.json(request.json);
  command.runs(action, [] { return list_tenants(request); });
}

}  // namespace tenure::tool
