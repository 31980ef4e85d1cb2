#include "allocator/tenant_heap.h"

#include "accounting/lru.h"
#include "accounting/reclaim.h"
#include "accounting/shrink.h"
#include "accounting/tenant_tree.h"
#include "allocator/arena.h"
#include "allocator/drain.h"
#include "allocator/front_space.h"
#include "allocator/reclaim.h"
#include "base/check.h"
#include "base/fence.h"
#include "base/meta_arena.h"

namespace tenure {

constinit CacheFamily class_families[kClassCount];
constinit std::atomic<CacheFamily*> named_families{nullptr};

namespace {

// Heaps of departed tenants: pushed by anyone, taken whole by the reaper.
constinit std::atomic<TenantHeap*> retired_heaps{nullptr};
// A queue, under tenants_mutex: each heap gets its turn.
constinit TenantHeap* dead_first = nullptr;
constinit TenantHeap* dead_last = nullptr;
constinit size_t dead_count = 0;

template <typename Node>
void push_onto(std::atomic<Node*>& stack, Node* node) {
  Node* head = stack.load(std::memory_order_relaxed);
  do {
    node->next = head;
    // Release: pairs with the exchange of who takes the stack.
  } while (!stack.compare_exchange_weak(head, node, std::memory_order_release,
                                        std::memory_order_relaxed));
}

void retire_heap(TenantHeap& heap) {
  if (!heap.retired.exchange(true, std::memory_order_acq_rel)) push_onto(retired_heaps, &heap);
}

TenantHeap* heap_of(Tenant& tenant) {
  return static_cast<TenantHeap*>(tenant.allocator_data.load(std::memory_order_acquire));
}

TenantHeap* make_heap(Tenant& tenant) {
  auto* heap = meta_arena.create<TenantHeap>(&tenant);
  if (heap == nullptr) return nullptr;
  tenant.pin();  // The caller has a pin, so there is something to pin.
  void* found = nullptr;
  if (tenant.allocator_data.compare_exchange_strong(found, heap, std::memory_order_acq_rel)) {
    return heap;
  }
  meta_arena.destroy(heap);
  tenant.unpin();
  return static_cast<TenantHeap*>(found);
}

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
    meta_arena.destroy(mine);
    return found && found->owner == &tenant ? found : nullptr;
  }
  full_fence();
  if (TENURE_LIKELY(tenant.online())) return mine;
  // Others may have found it meanwhile, so it goes the way of all dead caches.
  if (family.children.clear_if(id, mine)) {
    mine->dead.store(true, std::memory_order_release);
    push_onto(heap.late, mine);
    retire_heap(heap);
  }
  return nullptr;
}

TENURE_SLOW Cache* make_cache(Tenant& tenant, CacheFamily& family, bool* error) {
  TenantHeap* heap = heap_of(tenant);
  if (heap == nullptr) heap = make_heap(tenant);
  Cache* const cache = heap ? meta_arena.create<Cache>() : nullptr;
  if (cache == nullptr) {
    *error = true;
    return nullptr;
  }
  cache->init_child(*family.root, tenant);
  return publish_cache(tenant, *heap, family, cache, error);
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

void enqueue(TenantHeap& heap) {
  heap.next = nullptr;
  (dead_first ? dead_last->next : dead_first) = &heap;
  dead_last = &heap;
  ++dead_count;
}

void seal(Cache& cache) {
  if (cache.sealed || cache.front_slot.load(std::memory_order_relaxed) == 0) return;
  Cache* const one[] = {&cache};
  cache.sealed = seal_caches(one, 1);
}

// Frees what nobody can reach: no slab leads to the cache, and who frees by an older look is in a read section.
void destroy_cache(Cache& cache) {
  forget_dead_slabs(cache);
  deferred::defer(cache.item, [](DeferredItem* item) {
    auto* gone =
        reinterpret_cast<Cache*>(reinterpret_cast<char*>(item) - __builtin_offsetof(Cache, item));
    const uint32_t slot = gone->front_slot.load(std::memory_order_relaxed);
    if (gone->class_id == kNamedClass && slot != 0) front_space.release_pair(slot);
    Tenant* const owner = gone->owner;
    meta_arena.destroy(gone);
    owner->unpin();  // Taken by reap_heap().
  });
}

// The heap's end, a grace period after its last cache's: the front is not used any more.
void destroy_heap(TenantHeap& heap) {
  Tenant& tenant = *heap.tenant;
  if (const uint32_t front = tenant.front.load(std::memory_order_relaxed)) {
    front_space.release_front(front);
  }
  meta_arena.destroy(&heap);
  tenant.unpin();
}

// True when nothing is left of the heap.
bool reap_heap(TenantHeap& heap) {
  Cache* late = heap.late.exchange(nullptr, std::memory_order_acquire);
  while (late) {
    Cache* const cache = late;
    late = cache->next;
    cache->next = heap.dead;
    heap.dead = cache;
  }
  // One pin is the heap's. With another, somebody may still allocate by an older look, or a cache is on its way out.
  const bool unreachable = heap.tenant->pins.load(std::memory_order_acquire) == 1;
  bool any_destroyed = false;
  for (Cache** link = &heap.dead; Cache* cache = *link;) {
    seal(*cache);
    flush_depot(*cache, UINT32_MAX);
    if (unreachable && cache->slabs.load(std::memory_order_acquire) == 0 && cache->depot.empty()) {
      *link = cache->next;
      heap.tenant->pin();
      destroy_cache(*cache);
      any_destroyed = true;
    } else {
      link = &cache->next;
    }
  }
  return unreachable && !any_destroyed && heap.dead == nullptr &&
         heap.late.load(std::memory_order_relaxed) == nullptr;
}

// A few at a time: what is left behind is looked at in turn.
size_t reap_some(Tenant&, size_t) {
  constexpr size_t kHeapsLookedAt = 64;
  const uint64_t before = uncharged_here();
  MutexGuard guard(tenants_mutex);
  reap_heaps(kHeapsLookedAt);
  return uncharged_here() - before;
}

size_t purge_subtree(Tenant& top, size_t bytes) {
  size_t freed = 0;
  for_each_in_subtree(top, [&](Tenant& tenant) {
    if (&tenant != &root_tenant) freed += empty_tenant_caches(tenant);
    return freed < bytes;
  });
  return freed;
}

}  // namespace

Cache* find_cache(Tenant& asked, CacheFamily& family) {
  for (;;) {
    Tenant& tenant = asked.nearest_online();
    if (&tenant == &root_tenant) return family.root;
    {
      grace::ReadSection section;
      // Another tenant's cache under this id: ours has gone, and the id is in use again.
      Cache* const cache = family.children.load(index_of(tenant.id()));
      if (cache && cache->owner == &tenant) return cache;
    }
    bool error = false;
    Cache* const made = make_cache(tenant, family, &error);
    if (made || error) return made;
  }
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

size_t empty_tenant_caches(Tenant& tenant) {
  if (&tenant != &root_tenant && heap_of(tenant) == nullptr) return 0;
  grace::ReadSection section;
  Cache* caches[kDrainMost];
  uint32_t count = 0;
  size_t freed = 0;
  for_each_cache_of(tenant, [&](Cache& cache) {
    freed += flush_depot(cache, UINT32_MAX);
    if (cache.front_slot.load(std::memory_order_relaxed) != 0) caches[count++] = &cache;
    if (count < kDrainMost) return;
    freed += drain_caches(caches, count);
    count = 0;
  });
  return freed + drain_caches(caches, count);
}

void kill_caches(Tenant& tenant) {
  full_fence();  // publish_cache()
  TenantHeap* const heap = heap_of(tenant);
  if (heap == nullptr) return;
  Cache* const before = heap->dead;
  for_each_family([&](CacheFamily& family) {
    const uint32_t id = index_of(tenant.id());
    Cache* cache;
    {
      grace::ReadSection section;
      cache = family.children.load(id);
    }
    if (cache == nullptr || cache->owner != &tenant) return;
    cache->dead.store(true, std::memory_order_release);
    cache->next = heap->dead;
    heap->dead = cache;
    family.children.clear_if(id, cache);
  });
  Cache* caches[kDrainMost];
  uint32_t count = 0;
  const auto seal_all = [&] {
    const bool done = seal_caches(caches, count);
    for (uint32_t i = 0; i < count; ++i) caches[i]->sealed = done;
    count = 0;
  };
  for (Cache* cache = heap->dead; cache != before; cache = cache->next) {
    if (cache->front_slot.load(std::memory_order_relaxed) == 0) continue;
    caches[count++] = cache;
    if (count == kDrainMost) seal_all();
  }
  if (count > 0) seal_all();
  for (Cache* cache = heap->dead; cache != before; cache = cache->next) {
    flush_depot(*cache, UINT32_MAX);
  }
  retire_heap(*heap);
}

size_t reap_heaps(size_t most) {
  TenantHeap* fresh = retired_heaps.exchange(nullptr, std::memory_order_acquire);
  while (fresh) {
    TenantHeap* const heap = fresh;
    fresh = heap->next;
    enqueue(*heap);
  }
  size_t stay = 0;
  for (size_t left = most < dead_count ? most : dead_count; left > 0; --left) {
    TenantHeap& heap = *dead_first;
    dead_first = heap.next;
    --dead_count;
    if (reap_heap(heap)) {
      destroy_heap(heap);
    } else {
      enqueue(heap);
      ++stay;
    }
  }
  return stay;
}

void forget_dead_slabs(Cache& cache) {
  while (const uint64_t number = cache.partial.pop()) {
    arena.descriptors.release(static_cast<uint32_t>(number));
  }
}

size_t dead_heaps() { return dead_count; }

void connect_tenants() {
  OfflineHooks offline;
  offline.kill_caches = kill_caches;
  offline.drain_lrus = drain_lrus;
  register_offline_hooks(offline);
  ReclaimHooks hooks;
  hooks.purge_caches = purge_subtree;
  hooks.reap = reap_some;
  hooks.shrink = shrink_subtree;
  register_reclaim_hooks(hooks);
  register_empty_caches(empty_tenant_caches);
  for (uint32_t i = 0; i < kClassCount; ++i) {
    class_families[i].root = &root_caches[i];
    root_caches[i].family = &class_families[i];
  }
}

}  // namespace tenure
