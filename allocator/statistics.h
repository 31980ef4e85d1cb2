// What the heap holds, by class and level. Collected on request by walking; nothing is counted on the fast path.
#pragma once

#include <cstddef>
#include <cstdint>

#include "accounting/tenant.h"
#include "allocator/family.h"
#include "allocator/size_class.h"

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
};

struct HeapStatistics {
  ClassStatistics classes[kClassCount];
  ClassStatistics named;  // Of all named caches; objects of different sizes
  uint64_t large_objects, large_bytes;
  uint64_t allocated_bytes;  // Objects in use, by class size, and large ones by run
  uint64_t cached_bytes;     // Free objects in fronts, depots and slabs
  uint64_t slab_bytes;
  uint64_t dirty_bytes;      // Free runs, stashed ones too, not yet returned to the system
  uint64_t committed_bytes;  // Chunks opened
  uint64_t meta_bytes;       // Tables and structures in use
  // Reclaims because of the process's limit or cgroup, and the bytes they returned to the system.
  uint64_t pressure_reclaims, pressure_returned;
};

// Exact while no other thread is in the allocator, close otherwise. No allocation, async-signal-safe.
void collect_statistics(HeapStatistics& statistics);

// One tenant's own share of it, and what is charged to it and all below. Walks the heap.
struct TenantStatistics {
  uint64_t usage_bytes, allocated_bytes, cached_bytes, meta_bytes;
};
void collect_tenant_statistics(Tenant& tenant, TenantStatistics& statistics);
// Objects handed out and kept, and slabs, of one family.
struct FamilyStatistics {
  uint64_t live, cached, slabs, slab_bytes, tenants;
};
void collect_family_statistics(const CacheFamily& family, FamilyStatistics& statistics);

// Text or JSON to a file descriptor.
void print_statistics(int fd, bool json);

// Checks every structure of the heap, while no other thread is in the allocator. nullptr, or what is wrong. *only_lost: nothing but that
// memory or charges are nobody's any more, as may be in a fork child: what other threads had in their hands.
const char* validate_heap(bool* only_lost = nullptr);

}  // namespace tenure
