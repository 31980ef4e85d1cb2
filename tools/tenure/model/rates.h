// What has changed between two readings of one process.
#pragma once

#include <cstddef>
#include <vector>

#include "tools/tenure/model/process.h"

namespace tenure::tool {

// The tenant's name for machines: unlike its path and its index never another's.
inline uint64_t key_of(const Tenant& tenant) {
  return uint64_t{tenant.slot} << 32 | tenant.generation;
}

// A second, since the reading before; zeros for a tenant that was not there. A counter that has gone back counts as not moved.
struct Rates {
  double usage = 0;  // Bytes; the only one that may be below zero.
  double failures = 0;
  double events = 0;   // Of the subtree, of all kinds.
  double stalled = 0;  // Share of the time, 0 to 1 and above where levels of the tree add up.
};

// One for each tenant of `now`. `before` is an older reading of the same process; none: all zeros.
std::vector<Rates> rates_between(const Process* before, const Process& now);

// Index in `process` of the tenant with this key, looked for at `likely` first; or -1. `all` is made when it is needed first.
class TenantIndex {
public:
  explicit TenantIndex(const Process& process) : process_(process) {}
  int64_t find(uint64_t key, size_t likely);

private:
  const Process& process_;
  std::vector<std::pair<uint64_t, uint32_t>> sorted_;
};

}  // namespace tenure::tool
