#include "allocator/caches/tenant_heap.h"

#include "accounting/pressure/events.h"
#include "accounting/pressure/reclaim.h"
#include "accounting/shrinkers/lru.h"
#include "accounting/shrinkers/shrink.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/dead_caches.h"
#include "allocator/caches/failure_report.h"
#include "allocator/caches/high_watch.h"
#include "allocator/caches/reaper.h"
#include "allocator/caches/tenant_purge.h"
#include "allocator/fronts/caching_tenants.h"
#include "allocator/fronts/charge_stock.h"
#include "allocator/fronts/depots.h"
#include "allocator/fronts/drain.h"
#include "allocator/fronts/front_space.h"
#include "allocator/slabs/arena.h"
#include "base/memory/meta_arena.h"
#include "base/system/check.h"
#include "base/system/fence.h"

namespace tenure {

constinit CacheFamily class_families[kClassCount];
constinit std::atomic<CacheFamily*> named_families{nullptr};

namespace {

// Publishes a cache of an online tenant. nullptr: the tenant has gone; *error: metadata is exhausted.
//
// A slot must not be filled once the tenant's id may belong to another. Both sides store, then fence, then look: offline marks the
// tenant dying before it looks at the slots, and we publish before we look at the tenant. So either offline clears what we
// published, or we see that the tenant is dying and clear it ourselves. The id stays the tenant's until this
// section ends.
Cache* publish_cache(Tenant& tenant, TenantHeap& heap, CacheFamily& family, Cache* mine,
                     bool* error) {
  const uint32_t id = index_of(tenant.id());
  grace::ReadSection section;
  // A dying family gets no child: after the grace period that destroy waits for, nobody is here with an older look.
  const bool wanted = tenant.online() && !family.dying.load(std::memory_order_acquire);
  Cache* const found = wanted ? family.children.publish(id, mine) : nullptr;
  *error = found == nullptr && tenant.online();
  if (found != mine) {
    if (mine->payer) mine->payer->unpin();
    meta_arena.destroy(mine);
    tenant.unpin();
    return found && found->owner == &tenant ? found : nullptr;
  }
  full_fence();
  if (TENURE_LIKELY(tenant.online())) return mine;
  // Others may have found it meanwhile, so it goes the way of all dead caches.
  if (family.children.clear_if(id, mine)) retire_late(heap, *mine);
  return nullptr;
}

bool may_have_cache(const TenantHeap& heap, const CacheFamily& family) {
  const ClassId id = family.root->class_id;
  return id == kNamedClass || heap.may_have_cache(index_of(id));
}

// A front serves all size classes; a named cache has a pair of its own.
uint32_t words_for(Cache& cache, Tenant& tenant) {
  if (cache.class_id == kNamedClass) return front_space.take_pair();
  uint32_t front = tenant.front.load(std::memory_order_relaxed);
  if (front == 0) {
    const uint32_t fresh = front_space.take_front();
    if (fresh == 0) return 0;
    if (tenant.front.compare_exchange_strong(front, fresh, std::memory_order_relaxed)) {
      front = fresh;
    } else {
      front_space.release_front(fresh);
    }
  }
  return front + slot_in_front(cache.class_id);
}

// Whether reclaim on behalf of `top` must leave the tenant alone: always below min, in the first round below low.
bool is_protected(const Tenant& tenant, const Tenant& top, bool first_round) {
  const PageCounter& counter = tenant.counter;
  if (&tenant == &top || (counter.min() == 0 && counter.low() == 0)) return false;
  const Tenant::Protection protection = tenant.protection_from(top);
  return counter.usage() <=
         (first_round && protection.low > protection.min ? protection.low : protection.min);
}

// Free objects of the subtree go back; at least `bytes` if there are as many. Memory below low goes only when the rest has not
// sufficed, and is told as an event.
size_t purge_subtree(Tenant& top, size_t bytes) {
  empty_stocks(top);  // No memory, so it does not count.
  advance_caching();
  size_t freed = empty_dead_caches(top, bytes, SIZE_MAX);
  for (const bool first_round : {true, false}) {
    bool spared = false;
    const grace::ReadSection section;
    for_each_caching(top, [&](Tenant& tenant) {
      if (&tenant == &root_tenant) return true;
      const bool was_spared = is_protected(tenant, top, true);
      if (first_round ? was_spared : !was_spared || is_protected(tenant, top, false)) {
        spared |= was_spared;
        return true;
      }
      const size_t taken = purge_tenant(tenant);
      if (!first_round && taken > 0) record_event(tenant, EventKind::kLow);
      freed += taken;
      return freed < bytes;
    });
    if (!spared || freed >= bytes) break;
  }
  return freed;
}

// Memory that shrinkers free is to be uncharged, not to stand ready for the tenant.
size_t shrink_without_stocks(Tenant& top, size_t bytes) {
  empty_stocks(top);
  return shrink_subtree(top, bytes);
}

}  // namespace

TenantHeap* make_heap(Tenant& tenant) {
  if (TenantHeap* const heap = heap_of(tenant)) return heap;
  auto* heap = meta_arena.create<TenantHeap>(&tenant);
  if (heap == nullptr) return nullptr;
  tenant.pin();  // The caller has a pin, so there is something to pin.
  void* found = tenant.allocator_data.load(std::memory_order_relaxed);
  do {
    if (found && found != apart_mark()) {
      meta_arena.destroy(heap);
      tenant.unpin();
      return static_cast<TenantHeap*>(found);
    }
  } while (!tenant.allocator_data.compare_exchange_weak(found, heap, std::memory_order_acq_rel));
  // As in publish_cache(): either offline finds the heap, or this thread sees that the tenant has gone.
  full_fence();
  if (TENURE_UNLIKELY(!tenant.online())) retire_heap(*heap);
  return heap;
}

TENURE_SLOW Cache* make_cache(Tenant& tenant, TenantHeap& heap, CacheFamily& family, bool* error) {
  Cache* const cache = meta_arena.create<Cache>();
  if (cache == nullptr) {
    *error = true;
    return nullptr;
  }
  cache->init_child(*family.root, tenant);
  if (!cache->isolated) {
    grace::ReadSection section;  // The context stays until it is pinned.
    AccountingContext* const context = tenant.context.load(std::memory_order_acquire);
    if (context == nullptr || !context->pin()) {
      meta_arena.destroy(cache);
      return nullptr;
    }
    cache->payer = context;
  }
  tenant.pin();  // The caller has a pin. Given back by who destroys the cache.
  if (cache->class_id != kNamedClass) {
    // Release: who sees the cache sees the bit. publish_cache() has the rest of the argument.
    const uint64_t bit = uint64_t{1} << index_of(cache->class_id);
    heap.classes.fetch_or(bit, std::memory_order_release);
    heap.own.fetch_or(bit, std::memory_order_relaxed);
  }
  return publish_cache(tenant, heap, family, cache, error);
}

void prefer_own_cache(Tenant& tenant, TenantHeap& heap, CacheFamily& family) {
  {
    grace::ReadSection section;
    Cache* const cache = family.children.load(index_of(tenant.id()));
    if (cache && cache->owner != &tenant) return;  // Ours has gone.
    if (cache) {
      cache->preferred.store(true, std::memory_order_relaxed);
      if (cache->class_id != kNamedClass)
        heap.own.fetch_or(uint64_t{1} << index_of(cache->class_id), std::memory_order_relaxed);
      return;
    }
  }
  bool error;
  make_cache(tenant, heap, family, &error);
}

Cache* find_own_cache(Tenant& tenant, CacheFamily& family, bool* error) {
  *error = false;
  for (;;) {
    const TenantHeap* const heap = heap_of(tenant);
    const bool apart = is_isolated(tenant);
    if (!apart && (heap == nullptr || !may_have_cache(*heap, family))) return nullptr;
    if (heap == nullptr && make_heap(tenant) == nullptr) {
      *error = true;
      return nullptr;
    }
    grace::ReadSection section;
    Cache* const cache = family.children.load(index_of(tenant.id()));
    // Another tenant's cache under this id: ours has gone, and the id is in use again.
    if (cache && cache->owner == &tenant)
      return cache->preferred.load(std::memory_order_relaxed) ? cache : nullptr;
    if (!apart || !tenant.online()) return nullptr;
    if (cache == nullptr) break;
  }
  return make_cache(tenant, *heap_of(tenant), family, error);
}

void note_slow_step(Cache& cache) {
  Tenant& tenant = *cache.owner;
  TenantHeap* const heap = heap_of(tenant);
  if (heap == nullptr || cache.dead.load(std::memory_order_relaxed)) return;
  const uint32_t steps = heap->slow_steps.load(std::memory_order_relaxed) + 1;
  heap->slow_steps.store(steps, std::memory_order_relaxed);
  if (steps < kStepsToFront) return;
  const uint32_t words = words_for(cache, tenant);
  if (words == 0) {
    heap->slow_steps.store(0, std::memory_order_relaxed);  // All taken: asked again later.
    return;
  }
  uint32_t none = 0;
  if (!cache.front_slot.compare_exchange_strong(none, words, std::memory_order_relaxed) &&
      cache.class_id == kNamedClass) {
    front_space.release_pair(words);
  }
}

void demote_empty(Tenant& tenant, TenantHeap& heap) {
  if (is_isolated(tenant)) return;
  for_each_cache_of(tenant, [&heap](Cache& cache) {
    if (cache.slabs.load(std::memory_order_relaxed) != 0) return;
    cache.preferred.store(false, std::memory_order_relaxed);
    if (cache.class_id == kNamedClass) return;
    const uint32_t index = index_of(cache.class_id);
    heap.own.fetch_and(~(uint64_t{1} << index), std::memory_order_relaxed);
  });
}

size_t empty_tenant_caches(Tenant& tenant) {
  TenantHeap* const heap = heap_of(tenant);
  if (&tenant != &root_tenant && heap == nullptr) return 0;
  grace::ReadSection section;
  Cache* caches[kDrainMost];
  uint32_t count = 0;
  size_t freed = 0;
  for_each_cache_of(tenant, [&](Cache& cache) {
    const size_t emptied = flush_depots(cache, UINT32_MAX) * (cache.granules * kGranuleSize);
    freed += cache.payer ? 0 : emptied;  // Nobody was charged for what depots hold.
    if (cache.front_slot.load(std::memory_order_relaxed) != 0) caches[count++] = &cache;
    if (count < kDrainMost) return;
    freed += drain_caches(caches, count);
    count = 0;
  });
  freed += drain_caches(caches, count);
  if (heap) demote_empty(tenant, *heap);
  return freed;
}

void connect_tenants() {
  OfflineHooks offline;
  offline.kill_caches = kill_caches;
  offline.drain_lrus = drain_lrus;
  register_offline_hooks(offline);
  ReclaimHooks hooks;
  hooks.purge_caches = purge_subtree;
  hooks.empty_stocks = [](Tenant& top) { empty_stocks(top); };
  hooks.reap = reap_some;
  hooks.shrink = shrink_without_stocks;
  hooks.watch_above_high = watch_above_high;
  hooks.report_failure = report_failure;
  register_reclaim_hooks(hooks);
  register_empty_caches(empty_tenant_caches);
  for (uint32_t i = 0; i < kClassCount; ++i) {
    class_families[i].root = &root_caches[i];
    class_families[i].pool = &pool_caches[i];
    root_caches[i].family = &class_families[i];
    pool_caches[i].family = &class_families[i];
    pool_caches[i].pooled = true;
    class_families[i].sampled_root = &sampled_root_caches[i];
    class_families[i].sampled_pool = &sampled_pool_caches[i];
    sampled_root_caches[i].family = &class_families[i];
    sampled_pool_caches[i].family = &class_families[i];
    sampled_root_caches[i].sampled = sampled_pool_caches[i].sampled = true;
    sampled_pool_caches[i].pooled = true;
  }
}

}  // namespace tenure
