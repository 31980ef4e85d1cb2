// Free pages return to the system.
#include "allocator/pages/page_heap.h"
#include "base/words/atomic_update.h"

namespace tenure {
namespace {

// A huge page with fewer free granules is worth more than they are: a twentieth of it.
constexpr int kWorthSplitting = 4;

}  // namespace

// Of the chunk's resident granules. Of a huge page that is written to, all are.
uint64_t PageHeap::resident(const Chunk& c) const {
  const uint64_t dirty = c.dirty.load(std::memory_order_acquire);
  return dirty != 0 && c.pages.load(std::memory_order_relaxed) == ChunkPages::kHuge ? ~0ULL : dirty;
}

// The free granules that are to return. A huge page returns as a whole, or is split where that is worth it, and its free part has
// mostly not been used for a while: then all of that part returns.
uint64_t PageHeap::returnable(const Chunk& c, uint64_t used, uint64_t stretch, Purge purge) const {
  const uint64_t free = resident(c) & ~used;
  const uint64_t idle =
      purge == Purge::kIdle ? free & c.idle.load(std::memory_order_relaxed) : free;
  if (c.pages.load(std::memory_order_relaxed) != ChunkPages::kHuge) return idle & stretch;
  // The first stretch stands for all of it: at the second, what the same round has noted in the first would pass for idle.
  if (purge == Purge::kIdle && (stretch & 1) == 0) return 0;
  if (used == 0) return idle == free ? free : 0;
  if (huge_pages_ == HugePageMode::kOn) return 0;
  const int most = std::popcount(free), found = std::popcount(idle);
  const int least = purge == Purge::kAll ? 1 : kWorthSplitting;
  return found >= least && 2 * found >= most ? free : 0;
}

size_t PageHeap::purge_stretch(uint32_t stretch, Purge purge) {
  const uint32_t index = stretch * kStretchGranules / kChunkGranules;
  const uint64_t mask = low_mask(kStretchGranules) << (stretch * kStretchGranules % kChunkGranules);
  Chunk& c = chunk(index);
  uint64_t wanted = 0, claimed = 0;
  const auto updated = atomic_update(c.used, [&](uint64_t used) -> std::optional<uint64_t> {
    wanted = returnable(c, used, mask, purge);
    if (wanted == 0) return std::nullopt;
    // A chunk that is empty and clean then is taken whole, for its marks.
    claimed = used == 0 && wanted == resident(c) && page_map_->has_marks() ? ~0ULL : wanted;
    return used | claimed;
  });
  if (!updated) return 0;
  // The granules are ours now: nobody else changes their dirty bits or reads their memory.
  if (updated->before != 0) split_chunk(index);
  uint64_t done = 0;
  for_each_run(wanted, [&](unsigned at, unsigned length) {
    if (os::purge(address(index * kChunkGranules + at), length * kGranuleSize))
      done |= low_mask(length) << at;
  });
  if (updated->after == ~0ULL && updated->before == 0)
    page_map_->purge_bitmap(index * kChunkGranules, kChunkGranules);
  const uint64_t dirty = c.dirty.fetch_and(~done, std::memory_order_acq_rel);
  count_clean(dirty & done);
  count_free(-std::popcount(dirty & done));
  if (updated->before == 0 && (dirty & ~done) == 0) join_chunk(index);
  c.idle.fetch_and(~wanted, std::memory_order_relaxed);
  c.used.fetch_and(~claimed, std::memory_order_seq_cst);
  update_hints(index);
  return static_cast<size_t>(std::popcount(done)) * kGranuleSize;
}

bool PageHeap::return_part(uint32_t granule, size_t offset, size_t bytes) {
  const uint32_t at = granule + static_cast<uint32_t>(offset / kGranuleSize);
  const uint32_t index = at / kChunkGranules;
  if (in_huge_page(at)) {
    purge_stretch(index * (kChunkGranules / kStretchGranules), Purge::kAll);
    split_chunk(index);
  }
  return os::purge(static_cast<char*>(address(granule)) + offset, bytes);
}

size_t PageHeap::sweep(uint32_t stretch) {
  Chunk& c = chunk(stretch * kStretchGranules / kChunkGranules);
  const uint64_t mask = low_mask(kStretchGranules) << (stretch * kStretchGranules % kChunkGranules);
  const auto free_dirty = [&] { return resident(c) & ~c.used.load(std::memory_order_relaxed); };
  const uint64_t free = free_dirty();
  if (free == 0) return 0;
  const bool idle = (c.idle.load(std::memory_order_relaxed) & free) != 0;
  const size_t purged = idle ? purge_stretch(stretch, Purge::kIdle) : 0;
  // The other stretch of the chunk keeps what its own sweep has noted. Whoever takes a granule between these lines and loses the
  // clearing is purged late, after it is free again.
  const uint64_t others = c.idle.load(std::memory_order_relaxed) & ~mask;
  c.idle.store(others | (free_dirty() & mask), std::memory_order_relaxed);
  return purged;
}

size_t PageHeap::purge_free(size_t most) {
  size_t purged = 0;
  uint32_t stretch = stretches();
  const Purge purge = most == SIZE_MAX ? Purge::kAll : Purge::kFree;
  while (stretch > 0 && purged < most) purged += purge_stretch(--stretch, purge);
  return purged;
}

}  // namespace tenure
