// What the allocator has for a tenant: its caches, its front, and what becomes of them when it goes.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "accounting/tenant.h"
#include "allocator/family.h"

namespace tenure {

// Objects that a tenant takes from the pool in one class, since it was last found empty there, before it gets slabs of its own:
// about a slab's worth. Before, the first few objects of all classes together are not counted.
constexpr uint16_t steps_to_cache(const Cache& pool) {
  constexpr uint16_t kFewest = 8;
  return pool.capacity | kFewest;
}

// Exists from the tenant's first allocation, with a pin on the tenant (and another of each cache), until the reaper
// finds that nothing is left. Tenant::allocator_data points to it.
struct alignas(64) TenantHeap {
  explicit TenantHeap(Tenant* owner)
      : tenant(owner), classes(is_isolated(*owner) ? (uint64_t{1} << kClassCount) - 1 : 0) {}
  static_assert(kClassCount < 64);

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
  // Classes in which there may be a cache: a bit is set before the cache is published, and stays. All, for isolated tenants.
  std::atomic<uint64_t> classes;

  bool may_have_cache(uint32_t index) const {
    return classes.load(std::memory_order_acquire) >> index & 1;
  }
  // Counts what is taken from the pool; false when the tenant has earned a cache of its own in the class.
  bool count_pooled(uint32_t index) {
    const uint16_t taken = pooled[index].load(std::memory_order_relaxed);
    if (taken >= steps_to_cache(pool_caches[index])) return false;
    pooled[index].store(static_cast<uint16_t>(taken + 1), std::memory_order_relaxed);
    return true;
  }
};
static_assert(sizeof(TenantHeap) == 128);

// nullptr: none yet; until then the word counts steps, with its lowest bit set.
inline TenantHeap* heap_of(const Tenant& tenant) {
  void* const data = tenant.allocator_data.load(std::memory_order_acquire);
  return reinterpret_cast<uintptr_t>(data) & 1 ? nullptr : static_cast<TenantHeap*>(data);
}

// Before a tenant has a heap, allocator_data counts what it took from the pool: 2 n + 1.
constexpr uintptr_t kStepsWithoutHeap = 32;

// Counts one of the first steps; false when there were enough of them.
inline bool count_without_heap(Tenant& tenant) {
  void* data = tenant.allocator_data.load(std::memory_order_relaxed);
  const auto word = reinterpret_cast<uintptr_t>(data);
  if ((data && !(word & 1)) || word / 2 >= kStepsWithoutHeap) return false;
  // A lost race is a lost count.
  tenant.allocator_data.compare_exchange_strong(
      data, reinterpret_cast<void*>((word | 1) + (data ? 2 : 0)), std::memory_order_relaxed);
  return true;
}

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
    for_each_family([&](CacheFamily& family) { fn(*family.root); });
    return;
  }
  const TenantHeap* const heap = heap_of(tenant);
  if (heap == nullptr) return;
  const auto visit = [&](CacheFamily& family) {
    Cache* const cache = family.children.load(index_of(tenant.id()));
    if (cache && cache->owner == &tenant) fn(*cache);
  };
  uint64_t left = heap->classes.load(std::memory_order_acquire);
  for (; left != 0; left &= left - 1) visit(class_families[std::countr_zero(left)]);
  for_each_named_family(visit);
}

// Gives what the tenant's fronts and depots hold back to its slabs. Returns the bytes of slabs that became
// empty. Lock-free; in a read section or with a pin.
size_t empty_tenant_caches(Tenant& tenant);

// A class in which the tenant has no slab left is pooled again.
void demote_empty(Tenant& tenant, TenantHeap& heap);

// Registers what the tenants' tree calls; at bootstrap.
void connect_tenants();

}  // namespace tenure
