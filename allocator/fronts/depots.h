// The chains of a cache between the fronts and the slabs: a few on each CPU, whose objects are likely to be in that CPU's processor
// caches, and the rest in common (Cache::depot). Objects that one CPU frees and another allocates go by the common one, a chain at a time.
//
// A CPU's depot lies behind its fronts' words. All are lock-free stacks that anyone may take from.
#pragma once

#include "allocator/fronts/caching_tenants.h"
#include "allocator/fronts/cold_chains.h"
#include "allocator/fronts/front.h"
#include "allocator/fronts/paying.h"
#include "allocator/hooks.h"

namespace tenure {

// Chains in the depot of one CPU: half of what the second-level cache of a processor holds. With less, batches of a few thousand small
// objects went through the common depot, and their lines from one CPU's cache to the other's (decision 036).
constexpr size_t kDepotBytes = 512 * kKiB;
constexpr size_t kDepotChains = 32;
// Of larger objects, batches of 1,000 of 1 KiB gained nothing by more.
constexpr size_t kLargestInBatches = 512;
constexpr size_t kLargeDepotBytes = 128 * kKiB;
inline uint32_t depot_limit(const Cache& cache) {
  const size_t bytes = cache.object_size <= kLargestInBatches ? kDepotBytes : kLargeDepotBytes;
  const size_t chains = bytes / (size_t{cache.limit} * cache.object_size);
  return static_cast<uint32_t>(chains < kDepotChains ? chains : kDepotChains);
}

inline Depot& depot_in(uint32_t area, uint32_t slot) {
  return reinterpret_cast<Depot&>(word_in_area(area, slot + kFrontSize));
}

// Calls f(Depot&) for each depot of the cache.
template <typename F>
void for_each_depot(Cache& cache, F f) {
  f(cache.cold);
  f(cache.depot);
  const uint32_t slot = cache.front_slot.load(std::memory_order_relaxed);
  if (slot == 0) return;
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) f(depot_in(area, slot));
}
template <typename F>
void for_each_depot(const Cache& cache, F f) {
  for_each_depot(const_cast<Cache&>(cache), [&f](const Depot& depot) { f(depot); });
}

inline uint32_t chains_in_depots(const Cache& cache) {
  uint32_t chains = 0;
  for_each_depot(cache, [&chains](const Depot& depot) { chains += depot.size(); });
  return chains;
}

// Chains may change under the walk: each step checks that it still stands on an object of the arena.
inline uint64_t depot_objects(const Cache& cache) {
  uint64_t objects = 0;
  for_each_depot(cache, [&](const Depot& depot) {
    uint64_t chain = depot.peek();
    for (uint32_t left = depot.size(); left > 0 && has_objects(chain); --left) {
      if (!is_plausible(chain)) break;
      objects += chain_length(chain, cache.limit);
      chain = DepotLinks::load(chain);
    }
  });
  return objects;
}

// Objects of this size and more go back to their slabs when the depots have some: a few dozen of them, left by connections that were
// closed, are a slab that others could use, and their way back costs little beside the use of so much memory.
constexpr size_t kReturnedSize = 4 * kKiB;

// Chains that the common depot has above the cold ones: about what a processor's own cache holds.
constexpr size_t kWarmBytes = kMiB;
inline uint32_t warm_limit(const Cache& cache) {
  return static_cast<uint32_t>(kWarmBytes / (size_t{cache.limit} * cache.object_size));
}

// Chains that are without an index and still kept: several times as many.
constexpr uint32_t kUnindexedShare = 4;

// All cold chains of the process together: the larger of what a program may free in random order and allocate again at a few
// nanoseconds an object (decision 012), and a share of the heap. Beyond it, frees pay for the way to the slabs.
constexpr size_t kColdBytes = 24 * kMiB;
constexpr size_t kColdShare = 32;
inline bool has_room_for_cold() {
  const size_t held = cold_bytes();
  return held < kColdBytes || held < arena.page_heap.resident_bytes() / kColdShare;
}

// Chains that are in no list of a tenant's are nobody's charge.
inline void keep_unpaid_chain(Cache& cache, ChainWord chain) {
  wake_helper();
  if (TENURE_UNLIKELY(arena.settings.decay_ms == 0)) {
    give_to_slabs(cache, chain);
    return;
  }
  const CachingScope caching(cache);
  if (const uint32_t slot = cache.front_slot.load(std::memory_order_relaxed)) {
    Depot& own = depot_in(own_area(), slot);
    if (own.size() < depot_limit(cache)) return own.push(chain);
  }
  const uint32_t common = cache.depot.size();
  const bool returned = cache.object_size >= kReturnedSize && common >= depot_limit(cache);
  if (!returned && common < warm_limit(cache)) return cache.depot.push(chain);
  if (!returned && may_index(cache)) {
    if (has_room_for_cold()) return push_cold(cache, chain);
  } else if (!returned && common < kUnindexedShare * warm_limit(cache)) {
    return cache.depot.push(chain);
  }
  give_to_slabs(cache, chain);
}

// A chain from the lists.
inline void keep_chain(Cache& cache, ChainWord chain) {
  if (TENURE_UNLIKELY(cache.payer != nullptr)) unpay(cache, chain_length(chain, cache.limit));
  keep_unpaid_chain(cache, chain);
}

// A chain of this CPU's, or of the common ones; a word without objects if there is none.
inline ChainWord take_chain(Cache& cache) {
  if (const uint32_t slot = cache.front_slot.load(std::memory_order_relaxed)) {
    const ChainWord own = depot_in(own_area(), slot).pop();
    if (has_objects(own)) return own;
  }
  const ChainWord warm = cache.depot.pop();
  return has_objects(warm) ? warm : pop_cold(cache);
}

// From one of the cache's depots.
inline ChainWord pop_chain(Cache& cache, Depot& depot) {
  return &depot == &cache.cold ? pop_cold_unwarmed(cache) : depot.pop();
}

// Another CPU's, which is better than more memory.
inline ChainWord take_chain_anywhere(Cache& cache) {
  ChainWord chain = kClosedWord;
  for_each_depot(cache, [&](Depot& depot) {
    if (!has_objects(chain) && !depot.empty()) chain = pop_chain(cache, depot);
  });
  return chain;
}

// Gives up to `most` chains of the depots back to slabs; returns how many slabs became empty.
uint32_t flush_depots(Cache& cache, uint32_t most);
inline uint32_t flush_depots(Cache& cache, uint32_t most) {
  uint32_t emptied = 0;
  for_each_depot(cache, [&](Depot& depot) {
    for (; most > 0 && !depot.empty(); --most) {
      const ChainWord chain = pop_chain(cache, depot);
      if (!has_objects(chain)) break;
      emptied += give_to_slabs(cache, chain);
    }
  });
  return emptied;
}

}  // namespace tenure
