#include "tools/tenure/model/rates.h"

#include <algorithm>
#include <numeric>

namespace tenure::tool {

int64_t TenantIndex::find(uint64_t key, size_t likely) {
  const auto& tenants = process_.tenants;
  if (likely < tenants.size() && key_of(tenants[likely]) == key)
    return static_cast<int64_t>(likely);
  if (sorted_.empty()) {
    for (size_t i = 0; i < tenants.size(); ++i)
      sorted_.emplace_back(key_of(tenants[i]), static_cast<uint32_t>(i));
    std::sort(sorted_.begin(), sorted_.end());
  }
  const auto found = std::lower_bound(sorted_.begin(), sorted_.end(), std::pair(key, 0U));
  return found != sorted_.end() && found->first == key ? int64_t{found->second} : -1;
}

std::vector<Rates> rates_between(const Process* before, const Process& now) {
  std::vector<Rates> rates(now.tenants.size());
  if (before == nullptr || before->start_time != now.start_time || before->pid != now.pid)
    return rates;
  const double seconds = static_cast<double>(now.taken_ns - before->taken_ns) / 1e9;
  if (seconds <= 0) return rates;
  const auto rate = [&](uint64_t then, uint64_t current) {
    return current > then ? static_cast<double>(current - then) / seconds : 0;
  };
  const auto sum = [](const std::array<uint64_t, kEventKinds>& counts) {
    return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  };
  TenantIndex index(*before);
  for (size_t i = 0; i < now.tenants.size(); ++i) {
    const Tenant& tenant = now.tenants[i];
    const int64_t old = index.find(key_of(tenant), i);
    if (old < 0) continue;
    const Tenant& was = before->tenants[static_cast<size_t>(old)];
    rates[i] = {(static_cast<double>(tenant.usage) - static_cast<double>(was.usage)) / seconds,
                rate(was.failures, tenant.failures),
                rate(sum(was.subtree_events), sum(tenant.subtree_events)),
                rate(was.some.total_us, tenant.some.total_us) / 1e6};
  }
  return rates;
}

}  // namespace tenure::tool
