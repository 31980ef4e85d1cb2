#include "allocator/control/object_cache.h"

#include <errno.h>
#include <sched.h>

#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/reaper.h"
#include "allocator/caches/tenant_heap.h"
#include "allocator/control/statistics.h"
#include "allocator/fronts/depots.h"
#include "allocator/fronts/drain.h"
#include "allocator/fronts/front_space.h"
#include "allocator/heap/bootstrap.h"
#include "allocator/heap/heap.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/misuse.h"
#include "allocator/upkeep/reclaim.h"
#include "base/memory/meta_arena.h"

namespace tenure {
namespace {

void link_family(CacheFamily& family) {
  MutexGuard guard(tenants_mutex);
  family.next = named_families.load(std::memory_order_relaxed);
  named_families.store(&family, std::memory_order_release);
}

void set_dying(CacheFamily& family, bool dying) {
  MutexGuard guard(tenants_mutex);
  family.dying.store(dying, std::memory_order_release);
}

// The family keeps its own `next`, so that a reader standing on it finds its way.
void unlink_family(CacheFamily& family) {
  CacheFamily* const first = named_families.load(std::memory_order_relaxed);
  if (first == &family) {
    named_families.store(family.next, std::memory_order_release);
    return;
  }
  CacheFamily* before = first;
  while (before->next != &family) before = before->next;
  std::atomic_ref(before->next).store(family.next, std::memory_order_release);
}

uint32_t empty_lists(Cache& cache, Fences fences) {
  uint32_t emptied = flush_depots(cache, UINT32_MAX);
  if (cache.front_slot.load(std::memory_order_relaxed) == 0) return emptied;
  Cache* const one[] = {&cache};
  const uint32_t before = cache.slabs.load(std::memory_order_relaxed);
  drain_caches(one, 1, DrainTo::kSlabs, fences);
  const uint32_t after = cache.slabs.load(std::memory_order_relaxed);
  return emptied + (before > after ? before - after : 0);
}

// The lists of all tenants. Returns the slabs given back.
size_t empty_family(CacheFamily& family, Fences fences) {
  grace::ReadSection section;
  size_t emptied = empty_lists(*family.root, fences) + empty_lists(*family.pool, fences);
  family.children.for_each([&](uint32_t, Cache* cache) {
    emptied += empty_lists(*cache, fences);
    return true;
  });
  return emptied;
}

// Gives all free objects back to slabs, whoever uses the cache meanwhile. The rest in slabs then are live objects, unless
// another thread was draining lists all the while.
FamilyStatistics settle(CacheFamily& family) {
  constexpr int kRounds = 100;
  FamilyStatistics left;
  for (int round = 0; round < kRounds; ++round) {
    if (round != 0) sched_yield();
    empty_family(family, Fences::kAny);
    reap_tenants();
    collect_family_statistics(family, left);
    if (left.slabs == 0) break;
    // Dead children are their tenants' heaps': what allocations under way at the offline left in their lists goes to the slabs.
    reap_all_heaps();
    collect_family_statistics(family, left);
    if (left.slabs == 0 || left.live != 0) break;
  }
  return left;
}

// A cache that nobody reaches any more: no slab, no list, no array leads to it.
void free_cache(Cache& cache) {
  forget_dead_slabs(cache);
  if (const uint32_t pair = cache.front_slot.load(std::memory_order_relaxed)) {
    front_space.release_pair(pair);
  }
  meta_arena.destroy(&cache);
}

// The children, linked through `next`. One that went with its tenant is the tenant's heap's.
Cache* take_children(CacheFamily& family) {
  Cache* taken = nullptr;
  family.children.for_each([&](uint32_t id, Cache* cache) {
    if (!family.children.clear_if(id, cache)) return true;
    cache->next = taken;
    taken = cache;
    return true;
  });
  return taken;
}

}  // namespace

int create_object_cache(const char* name, size_t size, size_t alignment, void (*constructor)(void*),
                        CacheFamily** result, const ReaderFlavor* readers) {
  if (alignment == 0) alignment = kMinAlignment;
  if (name == nullptr || size == 0 || size > kLargestSmall || !is_power_of_two(alignment) ||
      alignment > kLargestAlignment)
    return -EINVAL;
  if (!bootstrap()) return -ENOMEM;
  if (alignment < kMinAlignment) alignment = kMinAlignment;
  auto* family = meta_arena.create<CacheFamily>();
  Cache* const both[] = {meta_arena.create<Cache>(), meta_arena.create<Cache>()};
  WaitingSlabs* const waiting = readers ? meta_arena.create<WaitingSlabs>(*readers) : nullptr;
  if (family == nullptr || both[0] == nullptr || both[1] == nullptr ||
      (readers != nullptr && waiting == nullptr)) {
    if (waiting) meta_arena.destroy(waiting);
    if (family) meta_arena.destroy(family);
    for (Cache* cache : both)
      if (cache) meta_arena.destroy(cache);
    return -ENOMEM;
  }
  // The links of free objects must not lie where the constructor has put something, or where readers look.
  family->prefix = constructor || readers ? static_cast<uint32_t>(alignment) : 0;
  family->waiting = waiting;
  family->constructor = constructor;
  for (size_t i = 0; i < kLongestCacheName && name[i] != '\0'; ++i) family->name[i] = name[i];
  for (Cache* cache : both) {
    cache->init_size(round_up(size + family->prefix, alignment), 1);
    cache->class_id = kNamedClass;
    cache->family = family;
    cache->front_slot.store(front_space.take_pair(), std::memory_order_relaxed);
  }
  family->root = both[0];
  family->pool = both[1];
  family->pool->pooled = true;
  link_family(*family);
  *result = family;
  return 0;
}

// Two looks, as the cache must be in use at every instant where the answer is -EBUSY. The first takes nothing away from those who
// use the cache: as long as one object lives, its slab is found, and that is the answer. Only where there is no slab the cache
// begins to die, which by the contract ("nobody may use it meanwhile") nobody is there to notice.
//
// Why no object can come to life from then on: `dying` is set under tenants_mutex, then a grace period passes. A thread that creates a
// child looks at `dying` in a read section, so after the grace period none is created. A caller that breaks the contract finds memory
// of the right kind: nothing is freed before every slab was seen to be gone once more, and then only after another grace period.
int destroy_object_cache(CacheFamily& family, size_t* live) {
  FamilyStatistics left = settle(family);
  bool over = left.slabs == 0;
  if (over) {
    set_dying(family, true);
    grace::synchronize();
    collect_family_statistics(family, left);
    over = left.slabs == 0 && (family.waiting == nullptr || family.waiting->finish());
    if (!over) set_dying(family, false);
  }
  if (live) *live = left.live;
  if (!over) return -EBUSY;
  Cache* children;
  {
    MutexGuard guard(tenants_mutex);
    unlink_family(family);
    children = take_children(family);
  }
  grace::synchronize();
  while (Cache* child = children) {
    children = child->next;
    Tenant* const owner = child->owner;
    if (child->payer) child->payer->unpin();
    free_cache(*child);
    owner->unpin();
  }
  free_cache(*family.root);
  free_cache(*family.pool);
  // The helper may have found the family before it was unlinked.
  if (family.waiting) {
    while (!family.waiting->finish()) {
    }
    meta_arena.destroy(family.waiting);
  }
  family.children.destroy();
  meta_arena.destroy(&family);
  return 0;
}

void* allocate_object(CacheFamily& family, Tenant& tenant) {
  auto* const object = static_cast<char*>(allocate_from_family(tenant, family));
  return object ? object + family.prefix : nullptr;
}

void free_object(CacheFamily& family, void* object) {
  if (object == nullptr) return;
  void* const start = static_cast<char*>(object) - family.prefix;
  if (family_of(start) != &family) report_misuse(Misuse::kWrongClass, object);
  WaitingSlabs* const waiting = family.waiting;
  deallocate(start);
  if (waiting) waiting->start();
}

size_t shrink_object_cache(CacheFamily& family) {
  const size_t emptied = empty_family(family, Fences::kCheap);
  if (family.waiting) family.waiting->start();
  return emptied;
}

}  // namespace tenure
