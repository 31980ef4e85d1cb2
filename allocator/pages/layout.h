// The one reservation: every table and the arena, side by side in address space.
//
//   [per-CPU areas][page map][chunks][hints][descriptors][bitmaps][meta arena][contexts] guard [arena] guard
//
// Metadata lies outside the arena, and before it, so that an overflow of user memory runs into a guard. One
// reservation means one atomic word publishes the whole heap: bootstrap needs no lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "accounting/tenants/tenant.h"
#include "allocator/pages/config.h"
#include "rcu/rseq_ops.h"

namespace tenure {

// Places relative to the reservation's start, derived from the arena's size and the number of per-CPU areas.
struct Layout {
  unsigned arena_shift;  // log2 of the arena's bytes
  uint32_t cpu_areas;
  bool marks;  // Hardened level.

  size_t cpu_bytes() const { return cpu_areas * kCpuAreaSize; }
  size_t granules() const { return (size_t{1} << arena_shift) >> kGranuleShift; }
  size_t chunks() const { return (size_t{1} << arena_shift) / kChunkSize; }

  size_t page_map_at() const { return cpu_bytes(); }
  size_t page_map_bytes() const { return round_up(granules() * 8, kPageSize); }
  size_t tag_places_at() const { return page_map_at() + page_map_bytes(); }
  size_t tag_places_bytes() const { return page_map_bytes(); }
  size_t chunks_at() const { return tag_places_at() + tag_places_bytes(); }
  size_t chunks_bytes() const { return round_up(chunks() * 32, kPageSize); }
  size_t hints_at() const { return chunks_at() + chunks_bytes(); }
  size_t hints_bytes() const { return round_up(divide_up(chunks(), 64) * 64, kPageSize); }
  size_t descriptors_at() const { return hints_at() + hints_bytes(); }
  // One for each granule, and number 0 that stands for none.
  size_t descriptors_bytes() const { return round_up((granules() + 1) * 64, kPageSize); }
  size_t bitmaps_at() const { return descriptors_at() + descriptors_bytes(); }
  // A bit for each 16 bytes: the hardened level marks what is allocated.
  size_t bitmaps_bytes() const {
    return marks ? round_up(granules() * (kGranuleSize / kMinAlignment / 8), kPageSize) : 0;
  }
  size_t meta_at() const { return bitmaps_at() + bitmaps_bytes(); }
  size_t meta_bytes() const {
    // Numbers name every 64 bytes of it: of contexts, 32 bits; of tenants kPlaceBits, as the rest of 32 tells those apart that lay in
    // the same place. A few numbers mean something else.
    constexpr size_t kMost = (size_t{kCacheLine} << kPlaceBits) - kMiB;
    const size_t share = (size_t{1} << arena_shift) / 64;
    return share < kMiB ? kMiB : share > kMost ? kMost : share;
  }
  // A context for each few KiB of the arena.
  size_t contexts_at() const { return meta_at() + meta_bytes(); }
  size_t contexts_bytes() const { return round_up(meta_bytes() / 4, kPageSize); }
  // Guards of at least a chunk.
  size_t arena_at() const {
    return round_up(contexts_at() + contexts_bytes() + kChunkSize, kChunkSize);
  }
  size_t arena_bytes() const { return size_t{1} << arena_shift; }
  size_t total_bytes() const { return arena_at() + arena_bytes() + kChunkSize; }
};

}  // namespace tenure
