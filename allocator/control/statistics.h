// The contents of the heap, by class and level. Collected on request by walking; nothing is counted on the fast path.
#pragma once

#include <cstddef>
#include <cstdint>

#include "accounting/tenants/tenant.h"
#include "allocator/pages/size_class.h"
#include "allocator/slabs/family.h"

namespace tenure {

struct ClassStatistics {
  uint64_t slabs;
  uint64_t carved;      // Objects handed out at least once
  uint64_t in_slabs;    // of those, free in slabs
  uint64_t in_depot;    // free in chains of the depot
  uint64_t in_fronts;   // free in CPU fronts
  uint64_t slab_bytes;  // Runs of the slabs
  uint64_t allocated() const {
    const uint64_t free = in_slabs + in_depot + in_fronts;
    return carved > free ? carved - free
                         : 0;  // Levels are read one after the other while others go on.
  }
  // The share of the slabs that is not objects in use: free ones, the rest of each slab, and what was never carved.
  uint64_t waste_permille(uint64_t object_size) const {
    const uint64_t used = allocated() * object_size;
    return used < slab_bytes ? 1000 - used * 1000 / slab_bytes : 0;
  }
};

struct HeapStatistics {
  ClassStatistics classes[kClassCount];
  ClassStatistics named;  // Of all named caches; objects of different sizes
  uint64_t large_objects, large_bytes;
  uint64_t allocated_bytes;             // Objects in use, by class size, and large ones by run
  uint64_t cached_bytes;                // Free objects in fronts, depots and slabs
  uint64_t free_objects;                // How many these are
  uint64_t front_objects, front_bytes;  // Of these, in fronts
  uint64_t slab_bytes;
  uint64_t untouched_bytes;  // Of these, pages that take no memory: yet, or any more
  uint64_t dirty_bytes;      // Free runs, stashed ones too, not yet returned to the system
  uint64_t held_most;        // The most that was held from the system at a time
  uint64_t committed_bytes;  // Chunks opened
  uint64_t reserved_bytes;   // Address space of the arena
  // The allocator's own structures: entries and words for the chunks opened, marks (hardened level) of chunks in use, descriptors
  // numbered so far, pages of the fronts that were written to, and what is resident of the meta arena.
  uint64_t meta_bytes;
  // Reclaims because of the process's limit or cgroup, and the bytes they returned to the system.
  uint64_t pressure_reclaims, pressure_returned;

  // Small objects in use. Others may go on while the levels are read: never less than nothing.
  uint64_t small_bytes() const {
    return allocated_bytes > large_bytes ? allocated_bytes - large_bytes : 0;
  }
  // Free memory that is held: what slabs have beside their objects in use, and free runs.
  uint64_t free_bytes() const {
    const uint64_t small = small_bytes();
    return (slab_bytes > small ? slab_bytes - small : 0) + dirty_bytes;
  }
  // Resident memory. Large objects count as if all of them had been touched.
  uint64_t resident_bytes() const {
    return slab_bytes + large_bytes - untouched_bytes + dirty_bytes + meta_bytes;
  }
  // All that is held from the system. The parts of slabs that were never touched count, although they take no memory.
  uint64_t held_bytes() const { return slab_bytes + large_bytes + dirty_bytes; }
};

// Exact while no other thread is in the allocator, close otherwise. No allocation, async-signal-safe.
void collect_statistics(HeapStatistics& statistics);

// One tenant's own share of it, and what is charged to it and all below. Only the root's needs a walk of the heap.
struct TenantStatistics {
  uint64_t usage_bytes, allocated_bytes, cached_bytes, meta_bytes;
};
void collect_tenant_statistics(Tenant& tenant, TenantStatistics& statistics);
// Free objects of the cache in the fronts of all CPUs.
uint64_t front_objects(const Cache& cache);
// Free objects in the fronts of tenants' own caches in the subtree, which are charged until they are given back (paying.h). Bytes.
uint64_t listed_below(Tenant& top);
// The part of a context's charge that is not objects: free space in the slabs that it pays for. Looks at all runs where slabs are charged
// to the context. The context is pinned.
uint64_t unused_bytes_of(const AccountingContext& context);

// Objects handed out and kept, and slabs, of one family.
struct FamilyStatistics {
  uint64_t live, cached, slabs, slab_bytes, tenants;
  uint64_t waiting_bytes;  // Of empty slabs, beside slab_bytes, that wait for readers
};
void collect_family_statistics(const CacheFamily& family, FamilyStatistics& statistics);

// Text or JSON to a file descriptor.
void print_statistics(int fd, bool json);

// Checks every structure of the heap, while no other thread is in the allocator. nullptr, or what is wrong. *only_lost: nothing but that
// memory or charges are nobody's any more, as may be in a fork child: what other threads had in their hands.
const char* validate_heap(bool* only_lost = nullptr);

}  // namespace tenure
