#include "allocator/caches/reaper.h"

#include "accounting/pressure/reclaim.h"
#include "accounting/tenants/tenant_ids.h"
#include "allocator/caches/dead_caches.h"
#include "allocator/fronts/charge_stock.h"
#include "allocator/fronts/depots.h"
#include "allocator/fronts/drain.h"
#include "allocator/fronts/front_space.h"
#include "allocator/slabs/arena.h"
#include "base/memory/meta_arena.h"
#include "base/system/fence.h"

namespace tenure {
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

void enqueue(TenantHeap& heap) {
  heap.next = nullptr;
  // Release: a fork child that finds the heap finds the end behind it.
  std::atomic_ref(dead_first ? dead_last->next : dead_first)
      .store(&heap, std::memory_order_release);
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
  unlist_dead_cache(cache);
  forget_dead_slabs(cache);
  deferred::defer(cache.item, [](DeferredItem* item) {
    auto* gone =
        reinterpret_cast<Cache*>(reinterpret_cast<char*>(item) - __builtin_offsetof(Cache, item));
    const uint32_t slot = gone->front_slot.load(std::memory_order_relaxed);
    if (gone->class_id == kNamedClass && slot != 0) front_space.release_pair(slot);
    Tenant* const owner = gone->owner;
    if (gone->payer) gone->payer->unpin();
    meta_arena.destroy(gone);
    owner->unpin();  // Both taken when the cache was made.
  });
}

// The heap's end, a grace period after its last cache's: the front is not used any more.
void destroy_heap(TenantHeap& heap) {
  Tenant& tenant = *heap.tenant;
  // A thread that enters the tenant from now on, by mistake, gets no front.
  if (const uint32_t front = tenant.front.exchange(0, std::memory_order_relaxed)) {
    front_space.release_front(front);
  }
  meta_arena.destroy(&heap);
  tenant.unpin();
}

// True when nothing is left of the heap.
bool reap_heap(TenantHeap& heap, bool& any_destroyed) {
  Cache* late = heap.late.exchange(nullptr, std::memory_order_acquire);
  while (late) {
    Cache* const cache = late;
    late = cache->next;
    cache->next = heap.dead;
    heap.dead = cache;
  }
  uint32_t pins = 1;  // The heap's, and one of each cache here.
  for (const Cache* cache = heap.dead; cache != nullptr; cache = cache->next) ++pins;
  // With another, somebody may still allocate by an older look, or a cache is on its way out; or, in a fork child, lost between two lists
  // with a thread that is gone: then its slabs still name the front, which must not become another tenant's.
  const bool unreachable = heap.tenant->pins.load(std::memory_order_acquire) == pins;
  bool on_their_way = false;
  for (Cache** link = &heap.dead; Cache* cache = *link;) {
    seal(*cache);
    // An object in a list is of a slab.
    if (unreachable && cache->slabs.load(std::memory_order_acquire) == 0) {
      *link = cache->next;
      destroy_cache(*cache);
      on_their_way = true;
    } else {
      list_if_not_empty(*cache);
      link = &cache->next;
    }
  }
  const bool gone = unreachable && !on_their_way && heap.dead == nullptr &&
                    heap.late.load(std::memory_order_relaxed) == nullptr;
  any_destroyed |= on_their_way || gone;
  return gone;
}

}  // namespace

void retire_heap(TenantHeap& heap) {
  if (!heap.retired.exchange(true, std::memory_order_acq_rel)) push_onto(retired_heaps, &heap);
}

void retire_late(TenantHeap& heap, Cache& cache) {
  cache.dead.store(true, std::memory_order_release);
  push_onto(heap.late, &cache);
  retire_heap(heap);
}

void kill_caches(Tenant& tenant) {
  full_fence();  // publish_cache(), make_heap(), put_up_stock()
  if (const AccountingContext* own = tenant.context.load(std::memory_order_relaxed))
    close_stocks_of(*own);
  TenantHeap* const heap = heap_of(tenant);
  if (heap == nullptr) return;
  Cache* const before = heap->dead;
  grace::ReadSection section;
  for_each_cache_of(tenant, [&](Cache& cache) {
    // If it is not there any more, who published it too late has cleared it and sees to it.
    if (!cache.family->children.clear_if(index_of(tenant.id()), &cache)) return;
    cache.dead.store(true, std::memory_order_release);
    cache.next = heap->dead;
    heap->dead = &cache;
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
  for (Cache* cache = heap->dead; cache != before; cache = cache->next) list_if_not_empty(*cache);
  retire_heap(*heap);
}

Reaped reap_heaps(size_t most) {
  TenantHeap* fresh = retired_heaps.exchange(nullptr, std::memory_order_acquire);
  while (fresh) {
    TenantHeap* const heap = fresh;
    fresh = heap->next;
    enqueue(*heap);
  }
  unlist_emptied(most);
  Reaped reaped;
  reaped.queued = dead_count;
  for (size_t left = most < dead_count ? most : dead_count; left > 0; --left, ++reaped.looked_at) {
    TenantHeap& heap = *dead_first;
    const bool gone = reap_heap(heap, reaped.destroyed);
    // Only now, so that a fork child finds it.
    dead_first = heap.next;
    --dead_count;
    if (gone) {
      destroy_heap(heap);
    } else {
      enqueue(heap);
      ++reaped.stay;
    }
  }
  return reaped;
}

Reaped reap_heaps_in_steps(size_t most) {
  Reaped all;
  for (bool first = true; first || all.looked_at < all.queued; first = false) {
    MutexGuard guard(tenants_mutex);
    const Reaped step = reap_heaps(kHeapsInAStep);
    if (first) all.queued = step.queued < most ? step.queued : most;
    if (step.looked_at == 0) break;
    all.looked_at += step.looked_at;
    all.stay += step.stay;
    all.destroyed |= step.destroyed;
  }
  return all;
}

Reaped reap_all_heaps() {
  empty_dead_caches(root_tenant, SIZE_MAX, SIZE_MAX);
  return reap_heaps_in_steps(SIZE_MAX);
}

void for_each_departed_cache(void (*fn)(void* argument, const Cache& cache), void* argument) {
  const auto visit = [fn, argument](const TenantHeap* heap) {
    for (; heap != nullptr; heap = heap->next) {
      for (const Cache* cache : {heap->dead, heap->late.load(std::memory_order_acquire)}) {
        for (; cache != nullptr; cache = cache->next) fn(argument, *cache);
      }
    }
  };
  visit(retired_heaps.load(std::memory_order_acquire));
  visit(dead_first);
}

void drop_forgotten_caches() {
  grace::ReadSection section;
  for_each_family([](CacheFamily& family) {
    family.children.for_each([&family](uint32_t id, Cache* cache) {
      if (tenants_by_id.load(id) != cache->owner && family.children.clear_if(id, cache))
        retire_late(*heap_of(*cache->owner), *cache);
      return true;
    });
  });
}

void repair_reaper_after_fork() {
  if (dead_count != 0) dead_count = 0;
  // Links are set before what leads to them, so the queue is whole up to its last link.
  for (TenantHeap* heap = dead_first; heap != nullptr; heap = heap->next) {
    dead_last = heap;
    ++dead_count;
  }
  // A thread may have been stopped between the mark and the list. The reaper finds the heaps' caches again.
  forget_dead_caches();
  const auto unmark = [](TenantHeap* heap) {
    for (; heap != nullptr; heap = heap->next) {
      for (Cache* cache = heap->dead; cache != nullptr; cache = cache->next)
        cache->listed_dead = false;
    }
  };
  unmark(dead_first);
  unmark(retired_heaps.load(std::memory_order_relaxed));
}

void repair_fronts_after_fork() {
  if (!is_drain_cut_off()) return;
  for_each_cache(reopen_words);
  end_cut_off_drain();
}

void forget_dead_slabs(Cache& cache) {
  for (DescriptorStack* list : {&cache.partial, &cache.pierced}) {
    while (const uint64_t number = list->pop())
      arena.descriptors.release(static_cast<uint32_t>(number));
  }
}

// A few at a time: what is left behind is looked at in turn.
size_t reap_some(Tenant& top, size_t bytes) {
  const Achievement done;
  if (tenants_mutex.try_lock()) {
    reap_heaps(kHeapsInAStep);
    tenants_mutex.unlock();
  }
  empty_dead_caches(top, bytes, SIZE_MAX);
  return done.uncharged();
}

}  // namespace tenure
