// The setting that led Linux to allocate list_lru_one only when needed (2022): 952 mounts, 24,574 memory cgroups that once
// were, 4 nodes; lists for all of them, nearly all empty. Here as many ids of tenants were once in use, and 500 tenants,
// scattered over the range, live on.
#pragma once

#include <tenure/tenure.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

namespace incident {

constexpr size_t kMounts = 952, kIds = 24574, kLive = 500;

inline size_t metadata() {
  struct tenure_stats stats {};
  stats.struct_size = sizeof stats;
  if (tenure_stats(&stats) != 0) abort();
  return stats.meta;
}

inline double mib(size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

inline std::vector<tenure_tenant*> all_tenants() {
  std::vector<tenure_tenant*> tenants(kIds);
  for (size_t i = 0; i < kIds; ++i) {
    if (tenure_tenant_create(tenure_root(), std::to_string(i).c_str(), 0, &tenants[i]) != 0)
      abort();
  }
  return tenants;
}

// Those that live on; the others have gone.
inline std::vector<tenure_tenant*> survivors(const std::vector<tenure_tenant*>& tenants) {
  std::vector<tenure_tenant*> live;
  for (size_t i = 0; i < kIds; ++i) {
    if (i % (kIds / kLive) == 0 && live.size() < kLive) {
      live.push_back(tenants[i]);
    } else {
      if (tenure_tenant_offline(tenants[i], 0) != 0) abort();
      tenure_tenant_close(tenants[i]);
    }
  }
  tenure_reap();
  return live;
}

using Clock = std::chrono::steady_clock;

inline double ns_since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

}  // namespace incident
