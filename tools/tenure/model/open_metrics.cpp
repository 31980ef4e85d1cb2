#include "tools/tenure/model/open_metrics.h"

#include <algorithm>

#include "tools/tenure/model/rates.h"

namespace tenure::tool {
namespace {

template <typename... Arguments>
void write_format(Text& out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Arguments>(arguments)...);
}

// A label with its value, escaped as both formats want it.
std::string label(std::string_view name, std::string_view value) {
  std::string text(name);
  text += "=\"";
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
  return text + "\"";
}

// One metric family: its head is written with the first sample.
class Family {
public:
  enum class Type { kGauge, kCounter, kInfo };

  Family(Text& out, Exposition exposition, Type type, std::string_view name, std::string_view unit,
         std::string_view help)
      : out_(out), sample_name_(name) {
    constexpr std::string_view kTypes[] = {"gauge", "counter", "info"};
    constexpr std::string_view kSuffixes[] = {"", "_total", "_info"};
    sample_name_ += kSuffixes[static_cast<size_t>(type)];
    // OpenMetrics names the family, the older format the samples, and it has no type "info".
    const bool open = exposition == Exposition::kOpenMetrics;
    const std::string_view head = open ? name : std::string_view(sample_name_);
    write_format(out, "# TYPE {} {}\n", head,
                 !open && type == Type::kInfo ? "gauge" : kTypes[static_cast<size_t>(type)]);
    if (open && !unit.empty()) write_format(out, "# UNIT {} {}\n", head, unit);
    write_format(out, "# HELP {} {}\n", head, help);
  }
  template <typename Value>
  void sample(std::string_view labels, Value value) {
    write_format(out_, "{}{{{}}} {}\n", sample_name_, labels, value);
  }

private:
  Text& out_;
  std::string sample_name_;
};

struct Gauge {
  const char* name;
  const char* help;
  uint64_t Tenant::*field;
  uint64_t none;  // The value that stands for none, and is left out.
};
constexpr Gauge kGauges[] = {
    {"usage", "Bytes charged to the tenant and those below it.", &Tenant::usage, UINT64_MAX - 1},
    {"peak", "Highest usage so far.", &Tenant::peak, UINT64_MAX - 1},
    {"max", "Limit that usage never exceeds; absent: none.", &Tenant::max, kUnlimited},
    {"high", "Limit above which memory is reclaimed; absent: none.", &Tenant::high, kUnlimited},
    {"low", "Usage up to which others' reclaim spares the tenant; absent: none.", &Tenant::low, 0},
    {"min", "Usage that others' reclaim never takes; absent: none.", &Tenant::min, 0},
    {"own", "The tenant's own live objects, as of the last look.", &Tenant::own, UINT64_MAX - 1},
    {"cached", "The tenant's own free objects, as of the last look.", &Tenant::cached,
     UINT64_MAX - 1},
    {"dead", "What departed tenants left to it, as of the last look.", &Tenant::dead,
     UINT64_MAX - 1},
    {"mapped", "What the program mapped itself.", &Tenant::mapped, UINT64_MAX - 1},
};

}  // namespace

MetricsWriter::Counters MetricsWriter::counters_of(const Tenant& tenant) {
  return {tenant.failures, tenant.some.total_us, tenant.events};
}

void MetricsWriter::add_growth(Counters& sum, const Counters& was, const Counters& now) {
  const auto growth = [](uint64_t then, uint64_t current) {
    return current > then ? current - then : 0;
  };
  sum.failures += growth(was.failures, now.failures);
  sum.some_us += growth(was.some_us, now.some_us);
  for (size_t i = 0; i < kEventKinds; ++i) sum.events[i] += growth(was.events[i], now.events[i]);
}

void MetricsWriter::choose(const Process& process, Remembered& remembered, View& view) const {
  std::unordered_set<uint64_t> kept;
  std::vector<size_t> candidates;
  for (size_t i = 0; i < process.tenants.size(); ++i) {
    const Tenant& tenant = process.tenants[i];
    if (!tenant.online) continue;  // Its path may be another tenant's by now.
    if (remembered.labelled.contains(key_of(tenant)) && kept.size() < most_) {
      kept.insert(key_of(tenant));
      view.chosen.push_back(i);
    } else {
      candidates.push_back(i);
    }
  }
  // The upper ones first, of these the large ones.
  const size_t room = std::min(most_ - kept.size(), candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<int64_t>(room),
                    candidates.end(), [&](size_t a, size_t b) {
                      const Tenant &x = process.tenants[a], &y = process.tenants[b];
                      if (x.depth != y.depth) return x.depth < y.depth;
                      return x.usage != y.usage ? x.usage > y.usage : a < b;
                    });
  for (size_t i = 0; i < room; ++i) {
    view.chosen.push_back(candidates[i]);
    kept.insert(key_of(process.tenants[candidates[i]]));
  }
  std::sort(view.chosen.begin(), view.chosen.end());
  remembered.labelled = std::move(kept);
}

void MetricsWriter::sum_others(const Process& process, const std::vector<bool>& labelled,
                               Others& others, View& view) {
  std::unordered_map<uint64_t, Counters> seen;
  for (size_t i = 0; i < process.tenants.size(); ++i) {
    if (labelled[i]) continue;
    view.has_others = true;
    const Tenant& tenant = process.tenants[i];
    const Counters now = counters_of(tenant);
    const auto was = others.last.find(key_of(tenant));
    add_growth(others.counters, was == others.last.end() ? Counters{} : was->second, now);
    seen.emplace(key_of(tenant), now);
    view.others.own += tenant.own;
    view.others.cached += tenant.cached;
    view.others.dead += tenant.dead;
    view.others.mapped += tenant.mapped;
    // Usage has that of all below in it.
    if (tenant.parent == kNoParent || labelled[tenant.parent]) view.others.usage += tenant.usage;
  }
  others.last = std::move(seen);
  view.other_counters = others.counters;
  view.has_others = view.has_others || others.counters.failures != 0;
}

MetricsWriter::View MetricsWriter::view_of(const Process& process) {
  View view{};
  view.process = &process;
  view.labels = label("pid", std::to_string(process.pid)) + "," + label("process", process.name);
  Remembered& remembered = processes_[process.pid];
  if (remembered.start_time != process.start_time) remembered = {process.start_time, {}, {}};
  choose(process, remembered, view);
  std::vector<bool> labelled(process.tenants.size());
  for (const size_t index : view.chosen) {
    labelled[index] = true;
    view.tenant_labels.push_back(view.labels + "," + label("tenant", path_of(process, index)));
  }
  sum_others(process, labelled, remembered.others, view);
  view.others.peak = 0;
  return view;
}

void MetricsWriter::write_tenants(Text& out, const std::vector<View>& views,
                                  Exposition exposition) const {
  const auto other_labels = [](const View& view) { return view.labels + ",tenant=\"other\""; };
  for (const Gauge& gauge : kGauges) {
    Family family(out, exposition, Family::Type::kGauge,
                  fmt::format("tenure_tenant_{}_bytes", gauge.name), "bytes", gauge.help);
    const bool sums = gauge.field == &Tenant::usage || gauge.field == &Tenant::own ||
                      gauge.field == &Tenant::cached || gauge.field == &Tenant::dead ||
                      gauge.field == &Tenant::mapped;
    for (const View& view : views) {
      for (size_t i = 0; i < view.chosen.size(); ++i) {
        const uint64_t value = view.process->tenants[view.chosen[i]].*gauge.field;
        if (value != gauge.none) family.sample(view.tenant_labels[i], value);
      }
      if (view.has_others && sums) family.sample(other_labels(view), view.others.*gauge.field);
    }
  }
  const auto counter = [&](const char* name, const char* unit, const char* help, auto write_one) {
    Family family(out, exposition, Family::Type::kCounter, name, unit, help);
    for (const View& view : views) {
      for (size_t i = 0; i < view.chosen.size(); ++i)
        write_one(family, view.tenant_labels[i],
                  counters_of(view.process->tenants[view.chosen[i]]));
      if (view.has_others) write_one(family, other_labels(view), view.other_counters);
    }
  };
  counter("tenure_tenant_failures", "", "Requests refused because of the tenant's max.",
          [](Family& family, const std::string& labels, const Counters& counters) {
            family.sample(labels, counters.failures);
          });
  counter("tenure_tenant_events", "", "Events of the tenant itself, by kind.",
          [](Family& family, const std::string& labels, const Counters& counters) {
            for (size_t i = 0; i < kEventKinds; ++i)
              family.sample(labels + "," + label("event", kEventNames[i]), counters.events[i]);
          });
  counter("tenure_tenant_stall_seconds", "seconds",
          "Time in which at least one thread of the tenant or below waited for memory.",
          [](Family& family, const std::string& labels, const Counters& counters) {
            family.sample(labels + ",kind=\"some\"", static_cast<double>(counters.some_us) / 1e6);
          });
}

void MetricsWriter::write_processes(Text& out, const std::vector<View>& views,
                                    Exposition exposition) const {
  using Type = Family::Type;
  {
    Family family(out, exposition, Type::kInfo, "tenure_process", "", "A process under Tenure.");
    for (const View& view : views)
      family.sample(view.labels + "," + label("version", view.process->version) + "," +
                        label("mode", view.process->mode),
                    1);
  }
  {
    Family family(out, exposition, Type::kGauge, "tenure_process_tenants", "",
                  "Tenants, the root included.");
    for (const View& view : views) family.sample(view.labels, view.process->tenants.size());
  }
  {
    Family family(out, exposition, Type::kGauge, "tenure_process_resident_bytes", "bytes",
                  "Resident memory of the process, as the kernel counts.");
    for (const View& view : views) family.sample(view.labels, view.process->resident);
  }
  {
    Family family(out, exposition, Type::kGauge, "tenure_process_heap_bytes", "bytes",
                  "The heap by level, as of the last look.");
    for (const View& view : views) {
      for (const Total& total : view.process->totals)
        family.sample(view.labels + "," + label("level", total.name), total.bytes);
    }
  }
}

void MetricsWriter::write(Text& out, const Sample& sample, Exposition exposition) {
  std::vector<View> views;
  views.reserve(sample.processes.size());
  for (const Process& process : sample.processes) views.push_back(view_of(process));
  std::erase_if(processes_, [&](const auto& entry) {
    return std::none_of(sample.processes.begin(), sample.processes.end(),
                        [&](const Process& process) { return process.pid == entry.first; });
  });
  write_processes(out, views, exposition);
  write_tenants(out, views, exposition);
  if (exposition == Exposition::kOpenMetrics) write_format(out, "# EOF\n");
}

}  // namespace tenure::tool
