// Figures for Prometheus: the OpenMetrics text format, and the older text format of Prometheus.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tools/tenure/model/json.h"
#include "tools/tenure/model/process.h"

namespace tenure::tool {

enum class Exposition { kOpenMetrics, kPrometheus };

// Chooses the tenants that get labels of their own, scrape after scrape. At most `most` of a process do; the others are summed
// under tenant="other". A parent is labelled before its children, and a tenant keeps its label as long as it is online, so that
// series do not come and go. Counters of "other" grow by what the others' counters grow, and so never fall when a tenant goes.
class MetricsWriter {
public:
  explicit MetricsWriter(size_t most) : most_(most) {}
  void write(Text& out, const Sample& sample, Exposition exposition);

private:
  struct Counters {
    uint64_t failures = 0, some_us = 0;
    std::array<uint64_t, kEventKinds> events = {};
  };
  struct Others {
    Counters counters;  // Of "other", since the exporter began.
    std::unordered_map<uint64_t, Counters>
        last;  // Of each unlabelled tenant when it was last seen.
  };
  struct Remembered {
    uint64_t start_time = 0;
    std::unordered_set<uint64_t> labelled;
    Others others;
  };
  // What is written of one process.
  struct View {
    const Process* process;
    std::string labels;          // pid and process, with a comma behind.
    std::vector<size_t> chosen;  // Tenants with labels.
    std::vector<std::string> tenant_labels;
    bool has_others = false;
    Tenant others;  // Sums of gauges: of the uppermost unlabelled tenants.
    Counters other_counters;
  };

  View view_of(const Process& process);
  void choose(const Process& process, Remembered& remembered, View& view) const;
  static void sum_others(const Process& process, const std::vector<bool>& labelled, Others& others,
                         View& view);
  static Counters counters_of(const Tenant& tenant);
  static void add_growth(Counters& sum, const Counters& was, const Counters& now);
  void write_tenants(Text& out, const std::vector<View>& views, Exposition exposition) const;
  void write_processes(Text& out, const std::vector<View>& views, Exposition exposition) const;

  const size_t most_;
  std::map<int, Remembered> processes_;  // By pid.
};

}  // namespace tenure::tool
