// The end of the caches of a tenant that went: dead at offline, destroyed when nobody can reach them.
//
// The last free destroys nothing (memcg/slab, 2014): a dead cache is emptied, looked at, and kept while it has slabs. It is looked at by
// control operations, a few heaps each, by reclaim outside malloc, and on request.
#pragma once

#include <cstddef>

#include "allocator/caches/tenant_heap.h"

namespace tenure {

// Offline, under tenants_mutex: marks the tenant's caches dead, closes their words for good, lists those with free objects
// (dead_caches.h). Time in proportion to the caches and CPUs, not to objects.
void kill_caches(Tenant& tenant);
// Leaves the heap of a tenant that went to the reaper. Lock-free.
void retire_heap(TenantHeap& heap);
// A cache that was published while its tenant went, and is in no slot any more. Lock-free.
void retire_late(TenantHeap& heap, Cache& cache);

// Destroys what is empty of dead heaps; looks at `most` of them. Under tenants_mutex.
struct Reaped {
  size_t queued = 0;  // Before.
  size_t looked_at = 0;
  size_t stay = 0;         // Of those looked at.
  bool destroyed = false;  // Something was: a grace period later there may be more.
};
Reaped reap_heaps(size_t most);
// Heaps looked at while tenants_mutex is held once: others wait for it.
constexpr size_t kHeapsInAStep = 16;
// The same in such steps; some more may be looked at. Takes tenants_mutex.
Reaped reap_heaps_in_steps(size_t most);
// Gives the free objects of all dead caches back, then looks at all dead heaps, in steps. Takes tenants_mutex.
Reaped reap_all_heaps();
// The same for reclaim: a step, where nobody holds tenants_mutex, and the free objects of dead caches below `top`. Returns the bytes
// uncharged.
size_t reap_some(Tenant& top, size_t bytes);

// Calls fn(argument, cache) for the caches of departed tenants. At rest.
void for_each_departed_cache(void (*fn)(void* argument, const Cache& cache), void* argument);

// In a fork child: finds the end of the queue anew. The child loses the heaps that a vanished thread had in hand.
void repair_reaper_after_fork();
// In a fork child: opens what a drainer that does not exist any more had stopped.
void repair_fronts_after_fork();
// In a fork child in which read sections were cut off, after the tenants' tree was mended: retires the caches that a thread has published
// for a tenant that went, and would have taken back itself. Under the id's next owner, nobody could.
void drop_forgotten_caches();

// Gives back the descriptors of slabs that died while they were on the list. No slab is alive.
void forget_dead_slabs(Cache& cache);

}  // namespace tenure
