// A page heap of a test's own.
#pragma once

#include <gtest/gtest.h>

#include "allocator/pages/page_heap.h"

namespace tenure {

class OwnPageHeap {
public:
  // The arena starts `skew` chunks behind a multiple of 64 MiB.
  explicit OwnPageHeap(uint32_t chunks, HugePageMode huge_pages = HugePageMode::kOff,
                       uint32_t skew = 0)
      : arena_bytes_((chunks + skew) * kChunkSize),
        tables_bytes_(round_up(size_t{chunks} * kChunkGranules * 8, kPageSize) + 2 * 64 * kKiB),
        arena_(static_cast<char*>(os::reserve(arena_bytes_, 64 * kMiB))),
        tables_(static_cast<char*>(os::reserve(tables_bytes_, kPageSize))) {
    const size_t map_bytes = tables_bytes_ - 2 * 64 * kKiB;
    map.adopt(tables_, map_bytes);
    heap.adopt(arena_ + skew * kChunkSize, chunks * kChunkSize, tables_ + map_bytes, 64 * kKiB,
               tables_ + map_bytes + 64 * kKiB, 64 * kKiB, &map, &units, huge_pages);
  }
  ~OwnPageHeap() {
    os::release(arena_, arena_bytes_);
    os::release(tables_, tables_bytes_);
  }
  OwnPageHeap(const OwnPageHeap&) = delete;
  OwnPageHeap& operator=(const OwnPageHeap&) = delete;

  Run take(uint32_t granules, uint32_t alignment = 1, Fill fill = Fill::kAny,
           Growth growth = Growth::kOpen) {
    return heap.allocate(granules, alignment, fill, growth);
  }
  // A whole round of the decay's hand.
  size_t sweep() {
    size_t purged = 0;
    for (uint32_t stretch = 0; stretch < heap.stretches(); ++stretch) purged += heap.sweep(stretch);
    return purged;
  }
  uint64_t* words(uint32_t granule) const { return static_cast<uint64_t*>(heap.address(granule)); }

  // Writes to, or looks at, a word of each page of a run.
  void fill(const Run& run, uint64_t with) const {
    uint64_t* p = words(run.granule);
    for (size_t i = 0; i < run.granules * kGranuleSize / 8; i += kPageSize / 8) p[i] = with;
  }
  bool holds(const Run& run, uint64_t with) const {
    const uint64_t* p = words(run.granule);
    for (size_t i = 0; i < run.granules * kGranuleSize / 8; i += kPageSize / 8) {
      if (p[i] != with) return false;
    }
    return true;
  }

private:
  const size_t arena_bytes_, tables_bytes_;
  char* const arena_;
  char* const tables_;

public:
  PageMap map;
  uint64_t units = 0;
  PageHeap heap;
};

}  // namespace tenure
