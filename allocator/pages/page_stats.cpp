// The contents of the page heap, and whether its hints are right.
#include <bit>

#include "allocator/pages/page_heap.h"
#include "allocator/pages/run_bits.h"

namespace tenure {

PageHeapStats PageHeap::stats() const {
  PageHeapStats stats{};
  const uint32_t frontier = frontier_.load(std::memory_order_acquire);
  for (uint32_t index = 0; index < frontier; ++index) {
    const uint64_t used = chunk(index).used.load(std::memory_order_relaxed);
    const uint64_t dirty = chunk(index).dirty.load(std::memory_order_relaxed);
    stats.used_bytes += static_cast<size_t>(std::popcount(used)) * kGranuleSize;
    // Of a huge page that is written to, all is resident.
    const bool whole = dirty != 0 && pages_of(index) == ChunkPages::kHuge;
    stats.dirty_bytes +=
        static_cast<size_t>(std::popcount((whole ? ~0ULL : dirty) & ~used)) * kGranuleSize;
    stats.live_chunks += (used | dirty) != 0;
  }
  stats.chunk_bytes = size_t{frontier} * kChunkSize;
  return stats;
}

bool PageHeap::validate() const {
  const uint32_t frontier = frontier_.load(std::memory_order_acquire);
  for (uint32_t index = 0; index < frontier; ++index) {
    const int order = longest_run_order(~chunk(index).used.load(std::memory_order_acquire));
    for (int o = 0; o < static_cast<int>(kOrders); ++o) {
      const bool has =
          hint_table_[index / 64].order[o].load(std::memory_order_acquire) >> (index % 64) & 1;
      if (has != (o == order)) return false;
    }
  }
  return size_t{frontier} * kChunkSize <= memory_.committed();
}

}  // namespace tenure
