// A family of caches: the root's and, by tenant id, those of all tenants. One for each size class,
// one for each named cache.
#pragma once

#include <atomic>
#include <cstddef>

#include "allocator/slabs/cache.h"
#include "allocator/slabs/recent_slabs.h"
#include "allocator/slabs/waiting_slabs.h"
#include "rcu/rcu_array.h"

namespace tenure {

constexpr size_t kLongestCacheName = 31;

struct CacheFamily {
  // The root's cache, constant after init.
  Cache* root = nullptr;
  // That of the objects which tenants share, constant after init.
  Cache* pool = nullptr;
  // Those of sampled objects: the root's, and that of tenants. nullptr: objects of the family are not sampled. Constant after init.
  Cache* sampled_root = nullptr;
  Cache* sampled_pool = nullptr;
  RecentSlabs recent;  // Of the pool
  Patience patience;
  // A tenant's is NULL until the tenant first needs it. Published lock-free in a read section that also
  // looks whether the tenant is still online; cleared at offline. find_cache() has the argument.
  RcuArray<Cache> children;

  // Named caches only.
  CacheFamily* next = nullptr;  // The list: written under tenants_mutex, read in read sections.
  void (*constructor)(void*) = nullptr;
  WaitingSlabs* waiting = nullptr;  // Type-safe caches only. Constant.
  // Bytes before what the user gets. Links of free objects lie there, where objects keep their state while they are free: constructed ones, and
  // those of type-safe caches, which readers may look at.
  uint32_t prefix = 0;
  // Set by destroy: no new child. See object_cache.cpp.
  std::atomic<bool> dying{false};
  char name[kLongestCacheName + 1] = {};
};

constexpr ClassId kNamedClass{0xff};

extern constinit CacheFamily class_families[kClassCount];
// Those of the size classes' pools (pool.h).
extern constinit Cache pool_caches[kClassCount];
// Those of sampled objects of the size classes (sampled_objects.h).
extern constinit Cache sampled_root_caches[kClassCount], sampled_pool_caches[kClassCount];
// Named caches. Store with release under tenants_mutex, load with acquire in read sections.
extern constinit std::atomic<CacheFamily*> named_families;

inline CacheFamily* next_family(CacheFamily* family) {
  return std::atomic_ref(family->next).load(std::memory_order_acquire);
}

// Calls fn(CacheFamily&) for every named cache; for every family. In a read section.
template <typename Fn>
void for_each_named_family(Fn fn) {
  for (CacheFamily* f = named_families.load(std::memory_order_acquire); f; f = next_family(f)) {
    fn(*f);
  }
}
template <typename Fn>
void for_each_family(Fn fn) {
  for (CacheFamily& family : class_families) fn(family);
  for_each_named_family(fn);
}

}  // namespace tenure
