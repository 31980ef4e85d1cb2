// What the allocator has for a tenant: its caches, its front, and what becomes of them when it goes.
#pragma once

#include <atomic>
#include <cstdint>

#include "accounting/tenant.h"
#include "allocator/family.h"

namespace tenure {

// Exists from the tenant's first allocation, with a pin on the tenant, until the reaper finds that
// nothing is left. Tenant::allocator_data points to it.
struct alignas(64) TenantHeap {
  explicit TenantHeap(Tenant* owner) : tenant(owner) {}

  Tenant* const tenant;
  // Slow steps so far, to tell who earns a front. A heuristic: races may lose counts. Relaxed.
  std::atomic<uint32_t> slow_steps{0};
  std::atomic<bool> retired{false};   // On the reaper's list, or on its way there.
  std::atomic<Cache*> late{nullptr};  // Published while the tenant went: a stack, taken whole.
  Cache* dead = nullptr;              // Under tenants_mutex
  TenantHeap* next = nullptr;         // The reaper's list
  // By class: objects taken from the pool since the tenant was last found empty there. Heuristics: races may lose
  // counts. Relaxed.
  std::atomic<uint16_t> pooled[kClassCount]{};
};
static_assert(sizeof(TenantHeap) == 128);

// nullptr: none yet.
TenantHeap* heap_of(const Tenant& tenant);

// The tenant's cache, or that of the pool (Cache::pooled) until the tenant has earned one; of its nearest online ancestor if it
// is not online. nullptr: metadata is exhausted, or the family is dying. The tenant is pinned (or the root). Not in a read
// section. Lock-free, async-signal-safe.
Cache* find_cache(Tenant& tenant, CacheFamily& family);

// Slow steps of a tenant after which it gets a front of its own.
constexpr uint32_t kStepsToFront = 4;
// Notes a slow step in the cache; perhaps gives the tenant, and then the cache, words in the CPU fronts.
void note_slow_step(Cache& cache);

// Calls fn(Cache&) for each cache of the tenant that is not dead. In a read section. The root's too.
template <typename Fn>
void for_each_cache_of(Tenant& tenant, Fn fn) {
  if (&tenant == &root_tenant) {
    for (Cache& pool : pool_caches) fn(pool);
  }
  for_each_family([&](CacheFamily& family) {
    if (&tenant == &root_tenant) {
      fn(*family.root);
      return;
    }
    Cache* const cache = family.children.load(index_of(tenant.id()));
    if (cache && cache->owner == &tenant) fn(*cache);
  });
}

// Gives what the tenant's fronts and depots hold back to its slabs. Returns the bytes of slabs that became
// empty. Lock-free; in a read section or with a pin.
size_t empty_tenant_caches(Tenant& tenant);

// Offline, under tenants_mutex: marks the tenant's caches dead, closes their words for good, shrinks them.
void kill_caches(Tenant& tenant);
// Destroys what is empty of dead heaps; looks at `most` of them. Under tenants_mutex. Returns how many of those it looked
// at stay.
size_t reap_heaps(size_t most);

// Gives back the descriptors of slabs that died while they were on the list. No slab is alive.
void forget_dead_slabs(Cache& cache);

// Registers what the tenants' tree calls; at bootstrap.
void connect_tenants();

}  // namespace tenure
