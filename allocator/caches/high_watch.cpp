#include "allocator/caches/high_watch.h"

#include <atomic>

#include "accounting/pressure/reclaim.h"
#include "accounting/tenants/tenant_ids.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/hooks.h"

namespace tenure {
namespace {

// Of so many at a time; one beyond takes another's place, which is then given up at its next crossing.
constexpr unsigned kWatched = 16;
// Ids; 0: none. Hints, which may be another tenant's by now: relaxed.
constinit std::atomic<uint32_t> watched[kWatched] = {};

Tenant* pin_tenant(uint32_t id) {
  grace::ReadSection section;
  Tenant* const tenant = tenant_by_id(TenantId{id});
  return tenant && tenant->pin() ? tenant : nullptr;
}

// Whether the tenant is still above. No shrinkers: they are the program's.
bool reclaim_once(Tenant& tenant) {
  const uint64_t high = tenant.counter.high();
  for (const ReclaimStage stage : {ReclaimStage::kPurge, ReclaimStage::kReap}) {
    const uint64_t usage = tenant.counter.usage();
    if (usage <= high) return false;
    reclaim(tenant, usage - high, stage);
  }
  return tenant.counter.usage() > high;
}

}  // namespace

void watch_above_high(Tenant& tenant) {
  const uint32_t id = index_of(tenant.id());
  for (std::atomic<uint32_t>& place : watched) {
    uint32_t seen = place.load(std::memory_order_relaxed);
    if (seen == id) return wake_helper();
    if (seen == 0 && place.compare_exchange_strong(seen, id, std::memory_order_relaxed))
      return wake_helper();
  }
  watched[id % kWatched].store(id, std::memory_order_relaxed);
  wake_helper();
}

bool reclaim_above_high() {
  bool any = false;
  for (std::atomic<uint32_t>& place : watched) {
    uint32_t id = place.load(std::memory_order_relaxed);
    if (id == 0) continue;
    Tenant* const tenant = pin_tenant(id);
    const bool above = tenant && reclaim_once(*tenant);
    if (tenant) tenant->unpin();
    if (!above) place.compare_exchange_strong(id, 0, std::memory_order_relaxed);
    any |= above;
  }
  return any;
}

}  // namespace tenure
