#include "tools/tenure/model/recording.h"

#include <nlohmann/json.hpp>
#include <unordered_set>

#include "tools/tenure/model/failure.h"
#include "tools/tenure/model/rates.h"

namespace tenure::tool {
namespace {

constexpr size_t kMostEvents = 1024;
constexpr int kFormat = 1;

void put(Text& out, std::string_view text) { out += text; }

// Puts a comma before all but the first.
class Commas {
public:
  explicit Commas(Text& out) : out_(out) {}
  void next() {
    if (!is_first_) put(out_, ",");
    is_first_ = false;
  }

private:
  Text& out_;
  bool is_first_ = true;
};

}  // namespace

void RecordingWriter::write_process(Text& out, const Process& process, Written& written) {
  put(out, "{");
  write_facts(out, process);
  put(out, ",");
  write_totals(out, process);
  put(out, ",\"events\":[");
  Commas events(out);
  for (const Event& event : process.events) {
    if (event.sequence < written.next_event) continue;
    events.next();
    write_json(out, event);
    written.next_event = event.sequence + 1;
  }
  put(out, "],\"tenants\":[");
  Commas tenants(out);
  std::unordered_map<uint64_t, Tenant> now;
  now.reserve(process.tenants.size());
  for (size_t i = 0; i < process.tenants.size(); ++i) {
    const Tenant& tenant = process.tenants[i];
    const auto was = written.tenants.find(key_of(tenant));
    if (was == written.tenants.end() || !(was->second == tenant)) {
      tenants.next();
      write_json(out, tenant, path_of(process, i));
    }
    if (was != written.tenants.end()) written.tenants.erase(was);
    now.emplace(key_of(tenant), tenant);
  }
  put(out, "],\"gone\":[");
  Commas gone(out);
  for (const auto& [key, tenant] : written.tenants) {
    gone.next();
    fmt::format_to(std::back_inserter(out), "{}", key);
  }
  put(out, "]}");
  written.tenants = std::move(now);
}

void RecordingWriter::write(Text& out, const Sample& sample) {
  fmt::format_to(std::back_inserter(out),
                 "{{\"tenure_recording\":{},\"time_ns\":{},\"processes\":[", kFormat,
                 sample.time_ns);
  Commas commas(out);
  std::map<int, Written> written;
  for (const Process& process : sample.processes) {
    commas.next();
    Written& entry = written[process.pid];
    const auto was = written_.find(process.pid);
    if (was != written_.end() && was->second.start_time == process.start_time)
      entry = std::move(was->second);
    entry.start_time = process.start_time;
    write_process(out, process, entry);
  }
  written_ = std::move(written);
  put(out, "]}");
}

RecordingReader::RecordingReader(const std::string& path) : path_(path), file_(path) {
  if (!file_) throw Failure(path + " cannot be read", kExitNotThere);
}

void RecordingReader::apply(const nlohmann::json& json, State& state) {
  std::unordered_map<uint64_t, size_t> places;
  for (size_t i = 0; i < state.tenants.size(); ++i)
    places.emplace(key_of(state.tenants[i].tenant), i);
  for (const auto& tenant : json.at("tenants")) {
    Entry entry{tenant_from(tenant), tenant.at("path").get<std::string>()};
    const auto place = places.find(key_of(entry.tenant));
    if (place == places.end())
      state.tenants.push_back(std::move(entry));
    else
      state.tenants[place->second] = std::move(entry);
  }
  std::unordered_set<uint64_t> gone;
  for (const auto& key : json.at("gone")) gone.insert(key.get<uint64_t>());
  if (!gone.empty())
    std::erase_if(state.tenants,
                  [&](const Entry& entry) { return gone.contains(key_of(entry.tenant)); });
  for (const auto& event : json.at("events")) state.events.push_back(event_from(event));
  if (state.events.size() > kMostEvents)
    state.events.erase(state.events.begin(), state.events.end() - kMostEvents);
}

void RecordingReader::put_tenants(const State& state, Process& process) {
  std::unordered_map<std::string, uint32_t> places;
  for (const Entry& entry : state.tenants) {
    Tenant tenant = entry.tenant;
    if (entry.path != "/") {
      const std::string above = entry.path.substr(0, entry.path.rfind('/'));
      const auto parent = places.find(above.empty() ? "/" : above);
      if (parent == places.end()) continue;  // Its parent went with the line before.
      tenant.parent = parent->second;
      tenant.depth = process.tenants[tenant.parent].depth + 1;
    } else if (!process.tenants.empty()) {
      continue;
    }
    places[entry.path] = static_cast<uint32_t>(process.tenants.size());
    process.tenants.push_back(std::move(tenant));
  }
}

Process RecordingReader::process_from(const nlohmann::json& json) {
  Process process = facts_from(json);
  State& state = states_[process.pid];
  if (state.start_time != process.start_time) state = {process.start_time, {}, {}};
  apply(json, state);
  put_tenants(state, process);
  process.events = state.events;
  if (process.tenants.empty()) throw Failure("no root");
  const auto& whole = json.at("whole_process");
  if (whole.is_string()) {
    const int64_t place = find_tenant(process, whole.get_ref<const std::string&>());
    if (place > 0) process.whole = static_cast<uint32_t>(place);
  }
  return process;
}

bool RecordingReader::next(Sample& sample) {
  std::string line;
  if (!std::getline(file_, line)) return false;
  ++line_;
  // The last line of a recording that was cut off.
  if (file_.eof()) return false;
  try {
    const nlohmann::json json = nlohmann::json::parse(line);
    if (json.at("tenure_recording").get<int>() != kFormat) throw Failure("another format");
    sample = {};
    sample.time_ns = json.at("time_ns").get<int64_t>();
    for (const auto& process : json.at("processes"))
      sample.processes.push_back(process_from(process));
  } catch (const std::exception&) {
    throw Failure(fmt::format("{}: line {} is no line of a recording", path_, line_),
                  kExitUnreadable);
  }
  return true;
}

}  // namespace tenure::tool
