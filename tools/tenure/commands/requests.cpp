// tenure reclaim and tenure trim: what the process itself has to do.
#include <fmt/core.h>

#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"
#include "tools/tenure/reader/ask.h"

namespace tenure::tool {
namespace {

struct Request {
  std::string process, tenant, bytes, timeout = "5s";
  bool json = false;
};

uint64_t ask(const Request& request, const Located& located, const Process& process, size_t tenant,
             live::RequestKind kind, uint64_t argument) {
  const auto patience = parse_interval(request.timeout, std::chrono::milliseconds(1));
  return ask_process(located, process, {kind, tenant, argument}, patience).value;
}

int reclaim(const Request& request) {
  const auto bytes = parse_bytes(request.bytes);
  if (!bytes || *bytes == 0 || *bytes == kUnlimited)
    throw Failure("reclaim: '" + request.bytes + "' is no number of bytes: say 100M");
  Located located = find_living(request.process);
  const Process process = read_process(located);
  const size_t tenant = tenant_at(process, request.tenant);
  const uint64_t done = ask(request, located, process, tenant, live::RequestKind::kReclaim, *bytes);
  const uint64_t usage = read_process(located).tenants[tenant].usage;
  if (request.json)
    fmt::print("{{\"asked\":{},\"reclaimed\":{},\"usage\":{}}}\n", *bytes, done, usage);
  else
    fmt::print("{}: {} of {} reclaimed, usage {}\n", path_of(process, tenant), format_bytes(done),
               format_bytes(*bytes), format_bytes(usage));
  return 0;
}

int trim(const Request& request) {
  Located located = find_living(request.process);
  const Process process = read_process(located);
  const uint64_t done = ask(request, located, process, 0, live::RequestKind::kTrim, 0);
  if (request.json)
    fmt::print("{{\"returned\":{}}}\n", done);
  else
    fmt::print("{} returned to the system\n", format_bytes(done));
  return 0;
}

void add_rest(Command& command, Request& request) {
  command.option("--timeout", request.timeout, "TIME",
                 "Wait no longer for the answer (default 5s)");
  command.json(request.json);
}

constexpr char kServed[] =
    "The process's helper thread serves the request, or its next slow allocation. One that is "
    "stopped does neither.";

}  // namespace

void add_reclaim(CLI::App& app, Action& action) {
  Command command(app, "reclaim", "Have a tenant give back what it caches and can drop",
                  std::string("  tenure reclaim 4711 /shop/acme 100M\n\n") + kServed);
  static Request request;
  command.process(request.process, Presence::kRequired);
  command.positional("TENANT", request.tenant, "Its path; all below it are included",
                     Presence::kRequired);
  command.positional("BYTES", request.bytes, "How much, as 100M", Presence::kRequired);
  add_rest(command, request);
  command.runs(action, [] { return reclaim(request); });
}

void add_trim(CLI::App& app, Action& action) {
  Command command(app, "trim", "Have a process return its free memory to the system",
                  std::string("  tenure trim 4711\n\n") + kServed);
  static Request request;
  command.process(request.process, Presence::kRequired);
  add_rest(command, request);
  command.runs(action, [] { return trim(request); });
}

}  // namespace tenure::tool
