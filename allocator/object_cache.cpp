#include "allocator/object_cache.h"

#include <errno.h>

#include "accounting/tenant_tree.h"
#include "allocator/arena.h"
#include "allocator/bootstrap.h"
#include "allocator/drain.h"
#include "allocator/front_space.h"
#include "allocator/heap.h"
#include "allocator/misuse.h"
#include "allocator/reaper.h"
#include "allocator/reclaim.h"
#include "allocator/statistics.h"
#include "allocator/tenant_heap.h"
#include "base/meta_arena.h"

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

uint32_t empty_lists(Cache& cache) {
  uint32_t emptied = flush_depots(cache, UINT32_MAX);
  if (cache.front_slot.load(std::memory_order_relaxed) == 0) return emptied;
  Cache* const one[] = {&cache};
  return emptied + static_cast<uint32_t>(drain_caches(one, 1) / (cache.granules * kGranuleSize));
}

// What nobody reaches any more: no slab, no list, no array leads to it.
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
                        CacheFamily** result) {
  if (alignment == 0) alignment = kMinAlignment;
  if (name == nullptr || size == 0 || size > kLargestSmall || !is_power_of_two(alignment) ||
      alignment > kLargestAlignment)
    return -EINVAL;
  if (!bootstrap()) return -ENOMEM;
  if (alignment < kMinAlignment) alignment = kMinAlignment;
  auto* family = meta_arena.create<CacheFamily>();
  auto* root = meta_arena.create<Cache>();
  if (family == nullptr || root == nullptr) {
    if (family) meta_arena.destroy(family);
    if (root) meta_arena.destroy(root);
    return -ENOMEM;
  }
  // The links of free objects must not lie where the constructor has put something.
  family->prefix = constructor ? static_cast<uint32_t>(alignment) : 0;
  family->constructor = constructor;
  for (size_t i = 0; i < kLongestCacheName && name[i] != '\0'; ++i) family->name[i] = name[i];
  root->init_size(round_up(size + family->prefix, alignment), 1);
  root->class_id = kNamedClass;
  root->family = family;
  root->front_slot.store(front_space.take_pair(), std::memory_order_relaxed);
  family->root = root;
  link_family(*family);
  *result = family;
  return 0;
}

// Why no object can come to life while the cache goes: `dying` is set under tenants_mutex, then a grace period passes. Who creates a
// child looks at `dying` in a read section, so after the grace period none is created; who allocates or frees meanwhile breaks the
// contract ("nobody may use it meanwhile"), but finds memory of the right kind: nothing is freed before the lists were emptied and
// every slab was seen to be gone, and then only after another grace period. The flag could be set right after somebody has
// looked: that is what the grace period is for.
int destroy_object_cache(CacheFamily& family, size_t* live) {
  set_dying(family, true);
  grace::synchronize();
  {
    grace::ReadSection section;
    flush_depots(*family.root, UINT32_MAX);
    empty_unused_words(*family.root);
    family.children.for_each([](uint32_t, Cache* cache) {
      flush_depots(*cache, UINT32_MAX);
      empty_unused_words(*cache);
      return true;
    });
  }
  reap_tenants();
  FamilyStatistics statistics;
  collect_family_statistics(family, statistics);
  if (statistics.slabs != 0) {
    // Dead children are their tenants' heaps': what is left in their lists goes to the slabs. The second round finds what
    // allocations under way at the offline have left.
    reap_all_heaps();
    reap_all_heaps();
    collect_family_statistics(family, statistics);
  }
  if (statistics.slabs != 0) {
    if (live) *live = statistics.live;
    set_dying(family, false);
    return -EBUSY;
  }
  if (live) *live = 0;
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
    free_cache(*child);
    owner->unpin();
  }
  free_cache(*family.root);
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
  deallocate(start);
}

size_t shrink_object_cache(CacheFamily& family) {
  grace::ReadSection section;
  size_t emptied = empty_lists(*family.root);
  family.children.for_each([&emptied](uint32_t, Cache* cache) {
    emptied += empty_lists(*cache);
    return true;
  });
  return emptied;
}

}  // namespace tenure
