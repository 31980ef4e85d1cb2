#include "tools/tenure/model/json.h"

#include <nlohmann/json.hpp>

namespace tenure::tool {
namespace {

template <typename... Arguments>
void write(Text& out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Arguments>(arguments)...);
}

void write_text(Text& out, std::string_view text) { out += text; }

void write_member(Text& out, std::string_view key, std::string_view text) {
  write(out, "\"{}\":", key);
  write_quoted(out, text);
  write_text(out, ",");
}

void write_limit(Text& out, std::string_view key, uint64_t bytes) {
  if (bytes == kUnlimited)
    write(out, "\"{}\":null,", key);
  else
    write(out, "\"{}\":{},", key, bytes);
}

void write_events(Text& out, std::string_view key,
                  const std::array<uint64_t, kEventKinds>& counts) {
  write(out, "\"{}\":{{", key);
  for (size_t i = 0; i < kEventKinds; ++i)
    write(out, "{}\"{}\":{}", i == 0 ? "" : ",", kEventNames[i], counts[i]);
  write_text(out, "},");
}

void write_stall(Text& out, std::string_view key, const Stall& stall) {
  write(out, "\"{}\":{{\"avg10\":{},\"avg60\":{},\"avg300\":{},\"total_us\":{}}}", key,
        format_share(stall.average[0]), format_share(stall.average[1]),
        format_share(stall.average[2]), stall.total_us);
}

template <typename List, typename Write>
void write_list(Text& out, std::string_view key, const List& list, Write write_one) {
  write(out, "\"{}\":[", key);
  bool first = true;
  for (const auto& entry : list) {
    if (!first) write_text(out, ",");
    first = false;
    write_one(entry);
  }
  write_text(out, "]");
}

uint64_t limit_from(const nlohmann::json& json) {
  return json.is_null() ? kUnlimited : json.get<uint64_t>();
}

void events_from(const nlohmann::json& json, std::array<uint64_t, kEventKinds>& counts) {
  for (size_t i = 0; i < kEventKinds; ++i) counts[i] = json.at(kEventNames[i]).get<uint64_t>();
}

Stall stall_from(const nlohmann::json& json) {
  const auto hundredths = [&](const char* key) {
    return static_cast<uint32_t>(json.at(key).get<double>() * 100 + 0.5);
  };
  return {json.at("total_us").get<uint64_t>(),
          {hundredths("avg10"), hundredths("avg60"), hundredths("avg300")}};
}

}  // namespace

void write_quoted(Text& out, std::string_view text) {
  write_text(out, "\"");
  for (const char c : text) {
    if (c == '"' || c == '\\')
      write(out, "\\{}", c);
    else if (static_cast<unsigned char>(c) < 0x20)
      write(out, "\\u{:04x}", c);
    else
      out.push_back(c);
  }
  write_text(out, "\"");
}

void write_json(Text& out, const Tenant& tenant, std::string_view path) {
  write_text(out, "{");
  write_member(out, "path", path);
  write(out,
        "\"id\":{},\"slot\":{},\"generation\":{},\"online\":{},\"policy\":\"{}\",\"usage\":{},"
        "\"peak\":{},",
        tenant.id, tenant.slot, tenant.generation, tenant.online, policy_name(tenant.policy),
        tenant.usage, tenant.peak);
  write(out, "\"min\":{},\"low\":{},", tenant.min, tenant.low);
  write_limit(out, "high", tenant.high);
  write_limit(out, "max", tenant.max);
  write(out, "\"reserve\":{},\"failures\":{},", tenant.reserve, tenant.failures);
  write_events(out, "events", tenant.events);
  write_events(out, "subtree_events", tenant.subtree_events);
  write_text(out, "\"stall\":{");
  write_stall(out, "some", tenant.some);
  write(out, "}},\"own\":{},\"cached\":{},\"dead\":{},\"mapped\":{},\"meta\":{}}}", tenant.own,
        tenant.cached, tenant.dead, tenant.mapped, tenant.meta);
}

void write_json(Text& out, const Event& event) {
  write(out, "{{\"sequence\":{},\"time_ns\":{},", event.sequence, event.time_ns);
  write_member(out, "kind", event.kind);
  write_member(out, "tenant", event.tenant);
  write_text(out, "\"text\":");
  write_quoted(out, event.text);
  write_text(out, "}");
}

void write_json(Text& out, const Class& entry) {
  write(out,
        "{{\"size\":{},\"slabs\":{},\"slab_bytes\":{},\"live\":{},\"in_slabs\":{},"
        "\"in_depots\":{},\"in_fronts\":{}}}",
        entry.size, entry.slabs, entry.slab_bytes, entry.live, entry.in_slabs, entry.in_depots,
        entry.in_fronts);
}

void write_facts(Text& out, const Process& process) {
  write(out, "\"pid\":{},\"start_time\":{},\"uid\":{},", process.pid, process.start_time,
        process.uid);
  write_member(out, "name", process.name);
  write_member(out, "command", process.command);
  write_member(out, "mode", process.mode);
  write_member(out, "version", process.version);
  write(out,
        "\"time_ns\":{},\"resident\":{},\"stopped\":{},\"ended\":{},\"answers\":{},\"looked_at_"
        "ns\":{}",
        process.taken_ns, process.resident, process.stopped, process.ended, process.answers,
        process.looked_at_ns);
  write_text(out, ",\"whole_process\":");
  if (process.whole == 0 || process.whole >= process.tenants.size())
    write_text(out, "null");
  else
    write_quoted(out, path_of(process, process.whole));
}

void write_totals(Text& out, const Process& process) {
  write_text(out, "\"totals\":{");
  bool first = true;
  for (const Total& total : process.totals) {
    write(out, "{}\"{}\":{}", first ? "" : ",", total.name, total.bytes);
    first = false;
  }
  write_text(out, "}");
}

void write_json(Text& out, const Process& process) {
  write_text(out, "{");
  write_facts(out, process);
  write_text(out, ",");
  write_totals(out, process);
  write_text(out, ",");
  write_list(out, "classes", process.classes, [&](const Class& entry) { write_json(out, entry); });
  write_text(out, ",");
  write_list(out, "events", process.events, [&](const Event& event) { write_json(out, event); });
  write_text(out, ",");
  const std::vector<std::string> paths = paths_of(process);
  write_list(out, "tenants", process.tenants, [&](const Tenant& tenant) {
    write_json(out, tenant, paths[static_cast<size_t>(&tenant - process.tenants.data())]);
  });
  write_text(out, "}");
}

Tenant tenant_from(const nlohmann::json& json) {
  Tenant tenant;
  const auto path = json.at("path").get<std::string>();
  tenant.name = path.substr(path.rfind('/') + 1);
  tenant.id = json.at("id").get<uint32_t>();
  tenant.slot = json.at("slot").get<uint32_t>();
  tenant.generation = json.at("generation").get<uint32_t>();
  tenant.online = json.at("online").get<bool>();
  tenant.policy =
      static_cast<uint32_t>(policy_number(json.at("policy").get_ref<const std::string&>()));
  tenant.usage = json.at("usage").get<uint64_t>();
  tenant.peak = json.at("peak").get<uint64_t>();
  tenant.min = json.at("min").get<uint64_t>();
  tenant.low = json.at("low").get<uint64_t>();
  tenant.high = limit_from(json.at("high"));
  tenant.max = limit_from(json.at("max"));
  tenant.reserve = json.at("reserve").get<uint64_t>();
  tenant.failures = json.at("failures").get<uint64_t>();
  events_from(json.at("events"), tenant.events);
  events_from(json.at("subtree_events"), tenant.subtree_events);
  tenant.some = stall_from(json.at("stall").at("some"));
  tenant.own = json.at("own").get<uint64_t>();
  tenant.cached = json.at("cached").get<uint64_t>();
  tenant.dead = json.at("dead").get<uint64_t>();
  tenant.mapped = json.at("mapped").get<uint64_t>();
  tenant.meta = json.at("meta").get<uint64_t>();
  return tenant;
}

Process facts_from(const nlohmann::json& json) {
  Process process;
  process.pid = json.at("pid").get<int>();
  process.start_time = json.at("start_time").get<uint64_t>();
  process.uid = json.at("uid").get<uint32_t>();
  process.name = json.at("name").get<std::string>();
  process.command = json.at("command").get<std::string>();
  process.mode = json.at("mode").get<std::string>();
  process.version = json.at("version").get<std::string>();
  process.taken_ns = json.at("time_ns").get<int64_t>();
  process.resident = json.at("resident").get<uint64_t>();
  process.stopped = json.at("stopped").get<bool>();
  process.answers = json.at("answers").get<bool>();
  process.looked_at_ns = json.at("looked_at_ns").get<int64_t>();
  for (const auto& [name, bytes] : json.at("totals").items())
    process.totals.push_back({name, bytes.get<uint64_t>()});
  return process;
}

Event event_from(const nlohmann::json& json) {
  return {json.at("sequence").get<uint64_t>(), json.at("time_ns").get<int64_t>(),
          json.at("kind").get<std::string>(),  json.at("tenant").get<std::string>(),
          json.at("text").get<std::string>(),  0};
}

}  // namespace tenure::tool
