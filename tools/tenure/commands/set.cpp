// tenure set.
#include <fmt/core.h>

#include "live/layout.h"
#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"
#include "tools/tenure/model/path_glob.h"
#include "tools/tenure/reader/control.h"

namespace tenure::tool {
namespace {

struct Request {
  std::string process, tenant;
  std::vector<std::string> settings;
  bool json = false, dry_run = false;
};

constexpr std::chrono::milliseconds kReclaimPatience{2000};

std::optional<uint64_t>* limit_named(LimitChange& change, std::string_view name) {
  if (name == "min") return &change.min;
  if (name == "low") return &change.low;
  if (name == "high") return &change.high;
  if (name == "max") return &change.max;
  if (name == "reserve") return &change.reserve;
  return nullptr;
}

LimitChange parse(const std::vector<std::string>& settings) {
  LimitChange change;
  for (const std::string& setting : settings) {
    const size_t sign = setting.find('=');
    const std::string name = setting.substr(0, sign);
    const std::string value = sign == std::string::npos ? "" : setting.substr(sign + 1);
    if (name == "policy") {
      const int policy = policy_number(value);
      if (policy < 0)
        throw Failure("set: there is no policy '" + value +
                      "', only fail-large, fail-all, observe, event, abort");
      change.policy = static_cast<uint32_t>(policy);
      continue;
    }
    std::optional<uint64_t>* const limit = limit_named(change, name);
    if (limit == nullptr || sign == std::string::npos)
      throw Failure("set: '" + setting +
                    "' is no setting: say max=512M, high=, low=, min=, reserve= or policy=");
    *limit = parse_bytes(value);
    if (!*limit)
      throw Failure(
          fmt::format("set: {}: bad value '{}'; good: 0 to {}, with a unit K, M, G, T, or "
                      "max",
                      name, value, format_bytes(kMostBytes)));
    if (**limit == kUnlimited && (name == "min" || name == "low"))
      throw Failure(fmt::format("set: {} cannot be without bound", name));
  }
  return change;
}

// What has changed, as "max 512M (was 1G), policy fail-all (was fail-large)".
std::string words_for(const LimitChange& change, const Tenant& tenant) {
  std::string words;
  const auto add = [&](const char* name, const std::string& now, const std::string& was) {
    words += fmt::format("{}{} {} (was {})", words.empty() ? "" : ", ", name, now, was);
  };
  if (change.min) add("min", format_bytes(*change.min), format_bytes(tenant.min));
  if (change.low) add("low", format_bytes(*change.low), format_bytes(tenant.low));
  if (change.high) add("high", format_bytes(*change.high), format_bytes(tenant.high));
  if (change.max) add("max", format_bytes(*change.max), format_bytes(tenant.max));
  if (change.reserve) add("reserve", format_bytes(*change.reserve), format_bytes(tenant.reserve));
  if (change.policy) add("policy", policy_name(*change.policy), policy_name(tenant.policy));
  return words;
}

bool is_above(const LimitChange& change, const Tenant& tenant) {
  return (change.max && tenant.usage > *change.max) || (change.high && tenant.usage > *change.high);
}

// Has what is above the new limit reclaimed now, where somebody in the process can; the next charge does it otherwise.
std::string reclaim(RegionControl& control, const LimitChange& change, const Process& process,
                    const Tenant& tenant) {
  if (!is_above(change, tenant)) return "";
  if (process.answers && !process.stopped) {
    const auto answer = control.ask(live::RequestKind::kLowered, tenant, 0, kReclaimPatience);
    if (answer && answer->result == 0)
      return fmt::format("; usage {}, after reclaim {}", format_bytes(tenant.usage),
                         format_bytes(answer->value));
  }
  return fmt::format("; usage {} is above, and is reclaimed from at the next request",
                     format_bytes(tenant.usage));
}

void report(const Request& request, const std::string& path, const LimitChange& change,
            const Tenant& tenant, const std::string& remark) {
  if (!request.json) {
    fmt::print("{}: {}{}\n", path, words_for(change, tenant), remark);
    return;
  }
  Tenant changed = tenant;
  changed.min = change.min.value_or(tenant.min);
  changed.low = change.low.value_or(tenant.low);
  changed.high = change.high.value_or(tenant.high);
  changed.max = change.max.value_or(tenant.max);
  changed.reserve = change.reserve.value_or(tenant.reserve);
  changed.policy = change.policy.value_or(tenant.policy);
  Text out;
  write_json(out, changed, path);
  fmt::format_to(std::back_inserter(out), "\n");
  print(out);
}

int set_limits(const Request& request) {
  // All of the command line is looked at before anything changes.
  const LimitChange change = parse(request.settings);
  Located located = find_process(request.process, Region::Access::kWrite);
  if (!located.process)
    throw Failure("process " + request.process + " has ended: there is nothing to set",
                  kExitNotThere);
  const Process process = read_process(located);
  std::vector<size_t> tenants = tenants_at(process, request.tenant);
  // Only where the root stands for a process that was started with a limit does its counter hold anything.
  constexpr uint32_t kRootSlot = 0;
  const live::Header& header = located.region.header();
  if ((header.flags & live::kWholeProcess) == 0 || header.process_slot != kRootSlot)
    std::erase(tenants, size_t{0});
  if (tenants.empty())
    throw Failure("set: the root of this process has no limits: start it by 'tenure run --max'");
  RegionControl control(located.region);
  int status = 0;
  for (const size_t index : tenants) {
    const Tenant& tenant = process.tenants[index];
    const std::string path = path_of(process, index);
    if (request.dry_run) {
      report(request, path, change, tenant, " (not set: --dry-run)");
    } else if (!control.set(tenant, change)) {
      fmt::print(stderr, "tenure: {} went meanwhile: nothing was set\n", path);
      status = kExitNotThere;
    } else {
      report(request, path, change, tenant, reclaim(control, change, process, tenant));
    }
  }
  return status;
}

}  // namespace

void add_set(CLI::App& app, Action& action) {
  Command command(
      app, "set", "Change limits and policies of a running process",
      "  tenure set 4711 /shop/acme max=512M\n"
      "  tenure set redis-server /redis-server max=2G high=1.8G\n"
      "  tenure set 4711 '/shop/*' high=max policy=fail-all\n"
      "  tenure set 4711 '/shop/**' max=64M --dry-run\n"
      "\n"
      "The new value holds for the next request of the process, also while it hangs or is stopped. "
      "'max' as a value\n"
      "stands for no limit. Patterns: '*', '?' and [sets] within one name, '**' for any number of "
      "names.");
  static Request request;
  command.process(request.process, Presence::kRequired);
  command.positional("TENANT", request.tenant, "Its path, or a pattern", Presence::kRequired);
  command.positional("SETTING", request.settings,
                     "max=, high=, low=, min=, reserve=BYTES, policy=WORD", Presence::kRequired);
  command.flag("--dry-run", request.dry_run, "Only show what would change");
  command.json(request.json);
  command.runs(action, [] { return set_limits(request); });
}

}  // namespace tenure::tool
