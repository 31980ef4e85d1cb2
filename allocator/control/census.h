// A census of the heap: the objects and slabs that each accounting context holds, and one tenant's share by size class.
//
// Usage:
//   HeapCensus census(tenant);
//   if (!census.ready()) return -ENOMEM;
//   census.take();
//
// The census reads the descriptor of every run and the tag of every pooled object, while other threads go on: its figures are those of about
// now. A run that goes meanwhile leaves stale words behind. No word is followed before it was compared with the range that it has to lie in.
#pragma once

#include <cstddef>
#include <cstdint>

#include "accounting/tenants/tenant.h"
#include "allocator/slabs/cache.h"

namespace tenure {

// One tenant's objects of one size class, or of all named caches.
struct ClassShare {
  uint64_t live, live_bytes;      // In its own slabs and in shared ones.
  uint64_t pooled, pooled_slabs;  // Of these, the ones in shared slabs; and how many such slabs.
  uint64_t slabs, slab_bytes;     // Its own.
  uint64_t in_slabs, in_depots, in_fronts;  // Free objects of its own slabs.
};

// Free objects of one tenant's own slabs, in bytes.
struct FreeBytes {
  uint64_t in_slabs, in_depots, in_fronts;
};

// The objects that one context holds: a tenant's own, or a departed tenant's.
struct Holding {
  uint64_t bytes;  // Of objects in slabs that are not free in their slab.
  uint32_t slabs;  // With such an object.
  uint32_t alone;  // Of these, the ones in which no other context has an object.
  uint32_t last;   // The descriptor of the last of them: while the census counts.
};

class HeapCensus {
public:
  static constexpr uint32_t kShares = kClassCount + 1;  // The last one: named caches.

  // The tenant is pinned.
  explicit HeapCensus(Tenant& tenant);
  ~HeapCensus();
  HeapCensus(const HeapCensus&) = delete;
  HeapCensus& operator=(const HeapCensus&) = delete;

  // False: metadata is exhausted.
  bool ready() const { return holdings_ != nullptr; }
  void take();

  const ClassShare& share(uint32_t number) const { return shares_[number]; }
  const FreeBytes& free_bytes() const { return free_; }
  uint64_t large_objects() const { return large_objects_; }
  uint64_t large_bytes() const { return large_bytes_; }
  // Shared slabs that only cached objects keep.
  uint64_t unowned_slabs() const { return unowned_slabs_; }
  // Of a context by its number in context_table; number 0 is the root's own memory, which nobody is charged for.
  const Holding& of(uint32_t number) const {
    return number < end_ ? holdings_[number] : holdings_[0];
  }

private:
  void look_at_own_caches();
  void look_at_slab(const RunDescriptor& run, uint32_t number);
  void look_at_tags(const RunDescriptor& run, uint32_t number, const Cache& cache, uint32_t carved);
  void look_at_large(const RunDescriptor& run);
  uint32_t number_of(const AccountingContext* context) const;

  Tenant& tenant_;
  const uint32_t own_;  // Number of the tenant's context; 0: the root.
  const uint32_t end_;  // Contexts that are counted: numbers below.
  Holding* const holdings_;
  ClassShare* shares_ = nullptr;  // Behind them.
  FreeBytes free_ = {};
  uint64_t large_objects_ = 0, large_bytes_ = 0, unowned_slabs_ = 0;
};

}  // namespace tenure
