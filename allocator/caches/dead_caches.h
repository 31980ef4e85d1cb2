// Dead caches that still hold free objects. Their tenant went offline; the objects in their depots pin slabs, which the tenant's
// parent pays for until the objects are back in the slabs.
//
// Offline lists such caches and gives nothing back: it would take time in proportion to the objects. The objects go back in bounded
// steps, taken by creations of tenants, by the reaper, by a heap that is about to grow, when a round of the decay begins, and, for as many bytes
// as are missing, by an allocation that meets the limit of an ancestor.
//
// The list is changed under tenants_mutex and walked in read sections. A cache that leaves the list keeps its link, so that a walker
// standing on the cache finds its way; the cache is freed a grace period after it has left. Depots are lock-free stacks, so any number
// of walkers may empty the same cache, and a walker that is stopped holds back only the chain in its hands.
#pragma once

#include <atomic>
#include <cstddef>

#include "allocator/slabs/family.h"
#include "rcu/grace.h"

namespace tenure {

// First of the list. Stores with release under tenants_mutex; loads with acquire in read sections.
extern constinit std::atomic<Cache*> dead_caches;

// Calls fn(Cache&) for each cache of the list until it returns false. In a read section.
template <typename Fn>
void for_each_dead_cache(Fn fn) {
  for (Cache* cache = dead_caches.load(std::memory_order_acquire); cache != nullptr;
       cache = cache->next_dead.load(std::memory_order_acquire)) {
    if (!fn(*cache)) return;
  }
}

// Calls fn(Cache&) for every cache that is found by its tenant, and for the dead ones that hold free objects. One read section.
template <typename Fn>
void for_each_cache(Fn fn) {
  grace::ReadSection section;
  for_each_family([&fn](CacheFamily& family) {
    fn(*family.root);
    fn(*family.pool);
    if (family.sampled_root) fn(*family.sampled_root);
    if (family.sampled_pool) fn(*family.sampled_pool);
    family.children.for_each([&fn](uint32_t, Cache* cache) {
      fn(*cache);
      return true;
    });
  });
  for_each_dead_cache([&fn](Cache& cache) {
    fn(cache);
    return true;
  });
}

// Puts the cache, which is dead, on the list if its depots hold something, or its words, which could not be sealed. Under tenants_mutex; so are the next three.
void list_if_not_empty(Cache& cache);
// Takes the cache off the list, if it is there.
void unlist_dead_cache(Cache& cache);
// Looks at the first `most` of the list and takes those off that hold nothing any more.
void unlist_emptied(size_t most);
// In a fork child: makes the list anew from nothing. list_if_not_empty() finds its members again.
void forget_dead_caches();

// Gives free objects of dead caches, whose memory `top` or a tenant below it pays for, back to their slabs: until slabs of `bytes` have
// become empty, and at most `objects`. Returns the bytes. Lock-free, async-signal-safe.
size_t empty_dead_caches(Tenant& top, size_t bytes, size_t objects);

}  // namespace tenure
