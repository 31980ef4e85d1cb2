// Room allocator/caches: caches of tenants' own. It calls fronts and slabs. It promises that a cache lives as long as an object of
// it, and that offline takes time in proportion to caches, not to objects.
//
// The allocator's part of a tenant beside the pool: caches of its own, their front, and what becomes of them when the tenant goes.
//
// Tenants share slabs (pool.h). A cache of its own has an isolated tenant, in each class it uses; and any other tenant in a class that it
// fills slabs of: promotion.h.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "accounting/tenants/tenant.h"
#include "allocator/slabs/family.h"

namespace tenure {

// Exists from the tenant's first cache of its own, or its first look at promotion, with a pin on the tenant (and another of each cache), until the
// reaper finds that nothing is left. Tenant::allocator_data points to it.
struct alignas(64) TenantHeap {
  explicit TenantHeap(Tenant* owner)
      : tenant(owner), classes(is_isolated(*owner) ? kAllClasses : 0),
        own(classes.load(std::memory_order_relaxed)) {}
  static constexpr uint64_t kAllClasses = (uint64_t{1} << kClassCount) - 1;
  static_assert(kClassCount < 64);

  Tenant* const tenant;
  // Slow steps so far, to tell who earns a front. A heuristic: races may lose counts. Relaxed.
  std::atomic<uint32_t> slow_steps{0};
  std::atomic<bool> retired{false};   // On the reaper's list, or on its way there.
  std::atomic<Cache*> late{nullptr};  // Published while the tenant went: a stack, taken whole.
  Cache* dead = nullptr;              // Under tenants_mutex
  TenantHeap* next = nullptr;         // The reaper's list
  // Classes in which there may be a cache: a bit is set before the cache is published, and stays. All, for isolated tenants.
  std::atomic<uint64_t> classes;
  // Classes in which objects come from the tenant's cache first: a bit is set before the cache is published, and cleared when the cache has
  // no slab left. Relaxed: an old value leads to the pool, or to the cache, which is as right.
  std::atomic<uint64_t> own;

  bool may_have_cache(uint32_t index) const {
    return classes.load(std::memory_order_acquire) >> index & 1;
  }
  bool has_own_cache(uint32_t index) const {
    return own.load(std::memory_order_relaxed) >> index & 1;
  }
};
static_assert(sizeof(TenantHeap) == 64);

// nullptr: none yet.
inline TenantHeap* heap_of(const Tenant& tenant) {
  void* const data = tenant.allocator_data.load(std::memory_order_acquire);
  return data == apart_mark() ? nullptr : static_cast<TenantHeap*>(data);
}
// Whether objects of the class with this slot come from a cache of the tenant's own, as far as there is one.
inline bool has_own_cache(const Tenant& tenant, uint64_t slot) {
  void* const data = tenant.allocator_data.load(std::memory_order_acquire);
  if (TENURE_LIKELY(data == nullptr)) return false;
  return data == apart_mark() ||
         static_cast<TenantHeap*>(data)->has_own_cache(static_cast<uint32_t>(slot / kSlotSize));
}

// The tenant's heap, made where there is none. nullptr: metadata is exhausted. The tenant is pinned.
TenantHeap* make_heap(Tenant& tenant);
// From now on objects of the family come from the tenant's own cache, which is made where there is none. The tenant is pinned.
void prefer_own_cache(Tenant& tenant, TenantHeap& heap, CacheFamily& family);
// Publishes a cache of the family for the tenant, which is pinned and has the heap. nullptr: the tenant has gone, or the family is dying;
// *error: metadata is exhausted, or the family is dying.
Cache* make_cache(Tenant& tenant, TenantHeap& heap, CacheFamily& family, bool* error);

// The tenant's own cache, made for isolated tenants, or nullptr. *error: metadata is exhausted, or the family is dying. The tenant is pinned
// and not the root. Not in a read section. Lock-free, async-signal-safe.
Cache* find_own_cache(Tenant& tenant, CacheFamily& family, bool* error);

// Slow steps of a tenant after which it gets a front of its own.
constexpr uint32_t kStepsToFront = 4;
// Notes a slow step in the cache; perhaps gives the tenant, and then the cache, words in the CPU fronts.
void note_slow_step(Cache& cache);

// Calls fn(Cache&) for each cache of the tenant that is not dead. In a read section. The root's too.
template <typename Fn>
void for_each_cache_of(Tenant& tenant, Fn fn) {
  if (&tenant == &root_tenant) {
    for_each_family([&](CacheFamily& family) {
      fn(*family.root);
      fn(*family.pool);
      if (family.sampled_root) fn(*family.sampled_root);
      if (family.sampled_pool) fn(*family.sampled_pool);
    });
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
