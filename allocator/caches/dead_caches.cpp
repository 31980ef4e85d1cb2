#include "allocator/caches/dead_caches.h"

#include "allocator/fronts/depots.h"

namespace tenure {

constinit std::atomic<Cache*> dead_caches{nullptr};

namespace {

bool is_below(const Tenant& tenant, const Tenant& top) {
  const Tenant* at = &tenant;
  while (at != nullptr && at != &top) at = at->parent();
  return at != nullptr;
}

// In depots; or in words of the fronts, where these could not be sealed.
bool holds_objects(const Cache& cache) {
  if (chains_in_depots(cache) != 0) return true;
  const uint32_t slot = cache.front_slot.load(std::memory_order_relaxed);
  if (slot == 0) return false;
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    for (const uint32_t word : {Front::kAllocWord, Front::kFreeWord}) {
      if (has_objects(word_in_area(area, slot + word).load(std::memory_order_relaxed))) return true;
    }
  }
  return false;
}

// Gives up to `most` objects of the cache's depots back; takes them off `most`. Returns how many slabs became empty.
uint32_t empty_depots(Cache& cache, size_t& most) {
  uint32_t emptied = 0;
  for_each_depot(cache, [&](Depot& depot) {
    while (most > 0 && !depot.empty()) {
      const ChainWord chain = pop_chain(cache, depot);
      if (!has_objects(chain)) break;
      const ChainWord rest = give_some_to_slabs(cache, chain, most, emptied);
      // Not to the cold ones: the rest has no index.
      if (has_objects(rest)) cache.depot.push(rest);
    }
  });
  return emptied;
}

}  // namespace

void list_if_not_empty(Cache& cache) {
  if (cache.listed_dead || !holds_objects(cache)) return;
  // First, so that a fork child never lists it twice.
  cache.listed_dead = true;
  Cache* const first = dead_caches.load(std::memory_order_relaxed);
  cache.previous_dead = nullptr;
  // Release: a walker that stands on the cache since it was last on the list goes on from here.
  cache.next_dead.store(first, std::memory_order_release);
  if (first) first->previous_dead = &cache;
  // Release: the cache comes before; pairs with for_each_dead_cache().
  dead_caches.store(&cache, std::memory_order_release);
}

void unlist_dead_cache(Cache& cache) {
  if (!cache.listed_dead) return;
  Cache* const next = cache.next_dead.load(std::memory_order_relaxed);
  // Release: `next` was reached through an acquire; pairs with for_each_dead_cache().
  (cache.previous_dead ? cache.previous_dead->next_dead : dead_caches)
      .store(next, std::memory_order_release);
  if (next) next->previous_dead = cache.previous_dead;
  cache.listed_dead = false;
}

void unlist_emptied(size_t most) {
  Cache* cache = dead_caches.load(std::memory_order_relaxed);
  for (; cache != nullptr && most > 0; --most) {
    Cache* const next = cache->next_dead.load(std::memory_order_relaxed);
    if (!holds_objects(*cache)) unlist_dead_cache(*cache);
    cache = next;
  }
}

void forget_dead_caches() {
  Cache* cache = dead_caches.load(std::memory_order_relaxed);
  if (cache == nullptr) return;
  dead_caches.store(nullptr, std::memory_order_relaxed);
  for (; cache != nullptr; cache = cache->next_dead.load(std::memory_order_relaxed))
    cache->listed_dead = false;
}

size_t empty_dead_caches(Tenant& top, size_t bytes, size_t objects) {
  if (dead_caches.load(std::memory_order_relaxed) == nullptr) return 0;
  size_t freed = 0;
  grace::ReadSection section;
  for_each_dead_cache([&](Cache& cache) {
    // The owner and all its ancestors are pinned for as long as the cache can be found.
    if (is_below(*cache.owner, top))
      freed += size_t{empty_depots(cache, objects)} * cache.granules * kGranuleSize;
    return freed < bytes && objects > 0;
  });
  return freed;
}

}  // namespace tenure
