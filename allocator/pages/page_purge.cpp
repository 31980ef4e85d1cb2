// Free pages return to the system.
#include "allocator/pages/page_heap.h"
#include "base/atomic_update.h"

namespace tenure {

size_t PageHeap::purge_stretch(uint32_t stretch, bool only_idle) {
  const uint32_t index = stretch * kStretchGranules / kChunkGranules;
  // A huge page is not split: its first stretch stands for all of it.
  const uint64_t mask = huge_pages_ ? (stretch % 2 == 0 ? ~0ULL : 0)
                                    : low_mask(kStretchGranules)
                                          << (stretch * kStretchGranules % kChunkGranules);
  Chunk& c = chunk(index);
  uint64_t wanted = 0, claimed = 0;
  const auto updated = atomic_update(c.used, [&](uint64_t used) -> std::optional<uint64_t> {
    if (huge_pages_ && used != 0) return std::nullopt;
    const uint64_t dirty = c.dirty.load(std::memory_order_acquire) & ~used;
    wanted = dirty & mask;
    if (only_idle) wanted &= c.idle.load(std::memory_order_relaxed);
    if (wanted == 0) return std::nullopt;
    // A chunk that is empty and clean then is taken whole, for its marks.
    claimed = used == 0 && wanted == dirty && page_map_->has_marks() ? ~0ULL : wanted;
    return used | claimed;
  });
  if (!updated) return 0;
  // The granules are ours now: nobody else changes their dirty bits or reads their memory.
  uint64_t done = 0;
  for_each_run(wanted, [&](unsigned at, unsigned length) {
    if (os::purge(address(index * kChunkGranules + at), length * kGranuleSize))
      done |= low_mask(length) << at;
  });
  if (updated->after == ~0ULL && updated->before == 0)
    page_map_->purge_bitmap(index * kChunkGranules, kChunkGranules);
  c.dirty.fetch_and(~done, std::memory_order_acq_rel);
  count_clean(done);
  count_free(-std::popcount(done));
  c.idle.fetch_and(~wanted, std::memory_order_relaxed);
  c.used.fetch_and(~claimed, std::memory_order_seq_cst);
  update_hints(index);
  return static_cast<size_t>(std::popcount(done)) * kGranuleSize;
}

size_t PageHeap::sweep(uint32_t stretch) {
  Chunk& c = chunk(stretch * kStretchGranules / kChunkGranules);
  const uint64_t mask = low_mask(kStretchGranules) << (stretch * kStretchGranules % kChunkGranules);
  const auto free_dirty = [&c] {
    return c.dirty.load(std::memory_order_relaxed) & ~c.used.load(std::memory_order_relaxed);
  };
  const uint64_t free = free_dirty();
  if (free == 0) return 0;
  const bool idle = (c.idle.load(std::memory_order_relaxed) & free) != 0;
  const size_t purged = idle ? purge_stretch(stretch, true) : 0;
  // The other stretch of the chunk keeps what its own sweep has noted. Whoever takes a granule between these lines and loses the
  // clearing is purged late, after it is free again.
  const uint64_t others = c.idle.load(std::memory_order_relaxed) & ~mask;
  c.idle.store(others | (free_dirty() & mask), std::memory_order_relaxed);
  return purged;
}

size_t PageHeap::purge_free(size_t most) {
  size_t purged = 0;
  uint32_t stretch = stretches();
  while (stretch > 0 && purged < most) purged += purge_stretch(--stretch, false);
  return purged;
}

}  // namespace tenure
