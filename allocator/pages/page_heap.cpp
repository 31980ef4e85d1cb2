#include "allocator/pages/page_heap.h"

#include "accounting/charge/process_charge.h"
#include "allocator/pages/run_bits.h"
#include "base/system/check.h"
#include "base/words/atomic_update.h"

namespace tenure {
namespace {

// Multiples of `alignment` <= 64 as a mask.
uint64_t aligned_starts(uint32_t alignment) {
  uint64_t mask = 1;
  for (uint32_t i = alignment; i < kChunkGranules; i *= 2) mask |= mask << i;
  return mask;
}

// Used memory is cleared for calloc, which takes a tenth to a thirtieth of the time that faults for all of its pages do (1.3 us
// each under a hypervisor). Where so much is asked for, it is likely to be a table that stays empty for the most part.
constexpr uint32_t kPurgedForZeros = 64 * kMiB / kGranuleSize;

// Calls f(chunk, mask) for each chunk that [granule, granule + granules) has a part of.
template <typename F>
void for_each_chunk(uint32_t granule, uint32_t granules, F f) {
  while (granules > 0) {
    const uint32_t bit = granule % kChunkGranules;
    const uint32_t here = granules < kChunkGranules - bit ? granules : kChunkGranules - bit;
    f(granule / kChunkGranules, low_mask(here) << bit);
    granule += here;
    granules -= here;
  }
}

}  // namespace

void PageHeap::adopt(void* arena, size_t arena_bytes, void* chunks, size_t chunks_bytes,
                     void* hints, size_t hints_bytes, PageMap* page_map, uint64_t* arena_units,
                     HugePageMode huge_pages, bool mapped) {
  memory_.adopt(arena, arena_bytes, mapped ? 2 * kChunkSize : kChunkSize, mapped);
  chunk_range_.adopt(chunks, chunks_bytes, kPageSize, mapped);
  hint_range_.adopt(hints, hints_bytes, kPageSize, mapped);
  chunk_table_ = static_cast<Chunk*>(chunks);
  hint_table_ = static_cast<Hints*>(hints);
  chunk_limit_ = static_cast<uint32_t>(arena_bytes / kChunkSize);
  page_map_ = page_map;
  arena_units_ = arena_units;
  huge_pages_ = huge_pages;
}

// Metadata first, then memory, then the range check's limit: an address that passes the check has an entry.
bool PageHeap::ensure(uint32_t chunks) {
  if (chunks > chunk_limit_) return false;
  const size_t bytes = size_t{chunks} * kChunkSize;
  if (!page_map_->ensure(size_t{chunks} * kChunkGranules)) return false;
  if (!chunk_range_.ensure(size_t{chunks} * sizeof(Chunk))) return false;
  if (!hint_range_.ensure(divide_up(chunks, 64) * sizeof(Hints))) return false;
  const size_t before = memory_.committed();
  if (!memory_.ensure(bytes)) return false;
  // With kAuto against them at first: a system that has them everywhere (THP=always) would give a small process 2 MiB.
  if (huge_pages_ != HugePageMode::kOff && memory_.committed() > before) {
    os::advise_huge_pages(memory_.base() + before, memory_.committed() - before,
                          huge_pages_ == HugePageMode::kOn);
  }
  // Release: pairs with the relaxed load in free, ordered by how the pointer reached that thread.
  atomic_raise(std::atomic_ref(*arena_units_), uint64_t{bytes / kMinAlignment});
  return true;
}

// Brings the hints of one chunk in line with its word. Hints may lag behind for a moment; whoever changed the word last calls this
// after its change and does not leave before the word it saw is the one the hints show.
void PageHeap::update_hints(uint32_t index) {
  Hints& hints = hint_table_[index / 64];
  const uint64_t bit = 1ULL << (index % 64);
  uint64_t seen = chunk(index).used.load(std::memory_order_acquire);
  for (;;) {
    const int order = longest_run_order(~seen);
    for (int o = 0; o < static_cast<int>(kOrders); ++o) {
      const bool has = hints.order[o].load(std::memory_order_relaxed) & bit;
      if (o == order && !has) hints.order[o].fetch_or(bit, std::memory_order_seq_cst);
      if (o != order && has) hints.order[o].fetch_and(~bit, std::memory_order_seq_cst);
    }
    // seq_cst: the hint's change is ordered before this look; a partner that changed the word after it sees
    // and corrects the hint itself.
    const uint64_t now = chunk(index).used.load(std::memory_order_seq_cst);
    if (now == seen) return;
    seen = now;
  }
}

// The granules become dirty, since their new owner writes to them; returns how many were not. Those that were are zeroed if so asked.
uint32_t PageHeap::mark_dirty(uint32_t granule, uint32_t granules, Fill fill) {
  uint32_t fresh = 0;
  for_each_chunk(granule, granules, [&](uint32_t index, uint64_t mask) {
    const uint64_t dirty = chunk(index).dirty.load(std::memory_order_acquire) & mask;
    if (dirty != 0) count_free(-std::popcount(dirty));
    if (fill == Fill::kZero) {
      for_each_run(dirty, [&](unsigned at, unsigned length) {
        void* const from = address(index * kChunkGranules + at);
        const size_t bytes = length * kGranuleSize;
        const bool purged = granules >= kPurgedForZeros && huge_pages_ != HugePageMode::kOn &&
                            os::purge(from, bytes);
        if (!purged) __builtin_memset(from, 0, bytes);
      });
    }
    if (dirty != mask) {
      chunk(index).dirty.fetch_or(mask, std::memory_order_acq_rel);
      const int grown = std::popcount(mask & ~dirty);
      resident_.fetch_add(grown, std::memory_order_relaxed);
      fresh += static_cast<uint32_t>(grown);
    }
    // Relaxed: a late or lost clearing makes a purge early or late, never wrong.
    if (chunk(index).idle.load(std::memory_order_relaxed) & mask) {
      chunk(index).idle.fetch_and(~mask, std::memory_order_relaxed);
    }
  });
  if (fresh != 0) atomic_raise(resident_peak_, resident_.load(std::memory_order_relaxed));
  return fresh;
}

// Granules that were just claimed and are about to be marked: only their owner changes their marks, so the count is exact. Charged before the
// marks, and given back after them: whatever a fork cuts off, the payer has at least what is marked.
bool PageHeap::pay_for(uint32_t granule, uint32_t granules, ProcessCharge* charge) {
  if (payer_ == nullptr) return true;
  uint64_t fresh = 0;
  for_each_chunk(granule, granules, [&](uint32_t index, uint64_t mask) {
    fresh += static_cast<unsigned>(
        std::popcount(mask & ~chunk(index).dirty.load(std::memory_order_acquire)));
  });
  if (fresh == 0) return true;
  if (charge == nullptr) {
    charge_process_anyway(fresh * kGranuleSize);
    return true;
  }
  if (charge->take(fresh * kGranuleSize)) return true;
  unclaim(granule, granules);
  return false;
}

void PageHeap::count_clean(uint64_t granules) {
  if (granules == 0) return;
  resident_.fetch_sub(std::popcount(granules), std::memory_order_relaxed);
  if (payer_ != nullptr)
    payer_->uncharge(static_cast<size_t>(std::popcount(granules)) * kGranuleSize);
}

// Where `room` granules are free, the first `granules` of them.
uint32_t PageHeap::take_from_chunk(uint32_t index, uint32_t granules, uint32_t alignment,
                                   uint32_t room) {
  Chunk& c = chunk(index);
  const uint64_t starts = aligned_starts(alignment);
  unsigned at = 0;
  const auto updated = atomic_update(c.used, [&](uint64_t used) -> std::optional<uint64_t> {
    // Warm memory first: a page fault costs as much as hundreds of allocations.
    const uint64_t dirty = c.dirty.load(std::memory_order_relaxed);
    uint64_t fits = run_starts(~used & dirty, room) & starts;
    if (fits == 0) fits = run_starts(~used, room) & starts;
    if (fits == 0) return std::nullopt;
    at = static_cast<unsigned>(std::countr_zero(fits));
    return used | low_mask(granules) << at;
  });
  if (!updated) return kNoGranule;
  if (longest_run_order(~updated->before) != longest_run_order(~updated->after))
    update_hints(index);
  return index * kChunkGranules + at;
}

// Opens chunks [first, end): only the next ones can be opened. False if others did, or the system refuses.
bool PageHeap::open_chunks(uint32_t first, uint32_t end) {
  // Committed first and claimed after, so that a refusal leaves no hole.
  if (!ensure(end)) return false;
  // Before anybody writes to them. Who loses the race below has advised the same, or nearly.
  const ChunkPages pages = advise_new_chunks(first, end);
  if (!frontier_.compare_exchange_strong(first, end, std::memory_order_acq_rel,
                                         std::memory_order_relaxed))
    return false;
  if (pages != ChunkPages::kSmall) {
    for (uint32_t i = first; i < end; ++i) chunk(i).pages.store(pages, std::memory_order_relaxed);
  }
  return true;
}

uint32_t PageHeap::find_in_chunks(uint32_t frontier, uint32_t granules, uint32_t alignment,
                                  uint32_t room) {
  for (uint32_t group = 0; group * 64 < frontier; ++group) {
    for (unsigned order = log2_floor(room); order < kOrders; ++order) {
      uint64_t bits = hint_table_[group].order[order].load(std::memory_order_acquire);
      for (; bits != 0; bits &= bits - 1) {
        const uint32_t index = group * 64 + static_cast<uint32_t>(std::countr_zero(bits));
        const uint32_t granule = take_from_chunk(index, granules, alignment, room);
        if (granule != kNoGranule) return granule;
      }
    }
  }
  return kNoGranule;
}

uint32_t PageHeap::allocate_in_chunk(uint32_t granules, uint32_t alignment, Growth growth) {
  for (;;) {
    const uint32_t frontier = frontier_.load(std::memory_order_acquire);
    const uint32_t found = find_in_chunks(frontier, granules, alignment, granules);
    if (found != kNoGranule) return found;
    if (growth == Growth::kReuse) return kNoGranule;
    if (alignment == 1 && memory_.meets_limit()) {
      const uint32_t granule = allocate_at_end(frontier, granules);
      if (granule != kNoGranule) return granule;
    }
    if (!ensure(frontier + 1)) return kNoGranule;
    if (open_chunks(frontier, frontier + 1)) {
      // The chunk has no hint yet, so normally this is alone in it; if not, the search starts over.
      const uint32_t granule = take_from_chunk(frontier, granules, alignment, granules);
      update_hints(frontier);
      if (granule != kNoGranule) return granule;
    }
  }
}

// Where address space is short: from what is free at the end of the last chunk on, into the next one. In whole chunks, runs of more than half of one
// would leave the rest of it unused.
uint32_t PageHeap::allocate_at_end(uint32_t frontier, uint32_t granules) {
  if (frontier == 0) return kNoGranule;
  const uint64_t used = chunk(frontier - 1).used.load(std::memory_order_acquire);
  const auto left = static_cast<uint32_t>(std::countl_zero(used));
  if (left == 0 || left >= granules || !ensure(frontier + 1)) return kNoGranule;
  const uint32_t first = frontier * kChunkGranules - left;
  return claim(first, granules) == kNoGranule ? first : kNoGranule;
}

// Claims a range, opening chunks at the frontier as needed. Returns kNoGranule when all of it is claimed, else nothing is
// and the result is the chunk that was in the way.
uint32_t PageHeap::claim(uint32_t granule, uint32_t granules) {
  const uint32_t end = granule + granules;
  uint32_t at = granule;
  while (at < end) {
    const uint32_t index = at / kChunkGranules;
    const uint32_t frontier = frontier_.load(std::memory_order_acquire);
    if (index >= frontier) {
      const uint32_t last = static_cast<uint32_t>(divide_up(end, kChunkGranules));
      if (index == frontier && open_chunks(frontier, last)) {
        // All of them at once: if another thread takes one in the middle, those behind it are free memory.
        for (uint32_t i = frontier; i < last; ++i) update_hints(i);
        continue;
      }
      if (index < frontier_.load(std::memory_order_acquire)) continue;  // Another thread opened it.
      unclaim(granule, at - granule);
      return index;
    }
    const uint32_t bit = at % kChunkGranules;
    const uint32_t here = end - at < kChunkGranules - bit ? end - at : kChunkGranules - bit;
    const uint64_t mask = low_mask(here) << bit;
    const auto updated =
        atomic_update(chunk(index).used, [&](uint64_t used) -> std::optional<uint64_t> {
          if (used & mask) return std::nullopt;
          return used | mask;
        });
    if (!updated) {
      unclaim(granule, at - granule);
      return index;
    }
    if (longest_run_order(~updated->before) != longest_run_order(~updated->after))
      update_hints(index);
    at += here;
  }
  return kNoGranule;
}

void PageHeap::unclaim(uint32_t granule, uint32_t granules) {
  for_each_chunk(granule, granules, [&](uint32_t index, uint64_t mask) {
    chunk(index).used.fetch_and(~mask, std::memory_order_seq_cst);
    update_hints(index);
  });
}

// Ascending, and past whatever is in the way: threads that take claims back from each other all move up, and
// the frontier is theirs alone in the end, so somebody always succeeds.
uint32_t PageHeap::allocate_chunks(uint32_t granules, uint32_t alignment, Growth growth) {
  const uint32_t step = alignment <= kChunkGranules ? 1 : alignment / kChunkGranules;
  const uint32_t needed = static_cast<uint32_t>(divide_up(granules, kChunkGranules));
  // The arena itself starts at a multiple of a chunk only: the places wanted are multiples of `step` chunks from address 0.
  const auto align_up = [&](uint32_t index) {
    const uint64_t base = reinterpret_cast<uint64_t>(memory_.base()) / kChunkSize;
    return static_cast<uint32_t>(round_up(base + index, step) - base);
  };
  uint32_t index = align_up(0);
  while (needed <= chunk_limit_ && index <= chunk_limit_ - needed) {
    const uint32_t frontier = frontier_.load(std::memory_order_acquire);
    if (index < frontier && chunk(index).used.load(std::memory_order_relaxed) != 0) {
      index += step;
      continue;
    }
    if (index + needed > frontier) {
      if (growth == Growth::kReuse || !ensure(index + needed)) return kNoGranule;
      // An aligned place beyond the frontier: what lies before it becomes free memory.
      if (index > frontier && open_chunks(frontier, index)) {
        for (uint32_t i = frontier; i < index; ++i) update_hints(i);
      }
    }
    const uint32_t obstacle = claim(index * kChunkGranules, granules);
    if (obstacle == kNoGranule) return index * kChunkGranules;
    // Beyond the frontier the obstacle is only that others moved it: look again.
    if (obstacle < frontier_.load(std::memory_order_acquire)) {
      index = align_up(obstacle + 1);
    }
  }
  return kNoGranule;
}

Run PageHeap::allocate(uint32_t granules, uint32_t alignment, Fill fill, Growth growth,
                       ProcessCharge* charge) {
  TENURE_ASSERT(granules > 0 && is_power_of_two(alignment));
  const uint32_t granule = granules <= kChunkGranules && alignment <= kChunkGranules
                               ? allocate_in_chunk(granules, alignment, growth)
                               : allocate_chunks(granules, alignment, growth);
  return granule == kNoGranule ? Run{} : hand_out(granule, granules, fill, charge);
}

Run PageHeap::allocate_with_room(uint32_t granules, uint32_t room, ProcessCharge* charge) {
  if (room > kChunkGranules) return {};
  const uint32_t granule =
      find_in_chunks(frontier_.load(std::memory_order_acquire), granules, 1, room);
  return granule == kNoGranule ? Run{} : hand_out(granule, granules, Fill::kAny, charge);
}

// Claimed granules.
Run PageHeap::hand_out(uint32_t granule, uint32_t granules, Fill fill, ProcessCharge* charge) {
  if (!pay_for(granule, granules, charge)) return {};
  if (granules > kChunkGranules) make_uniform(granule, granules);
  const uint32_t fresh = mark_dirty(granule, granules, fill);
  const bool untouched =
      fresh == granules && pages_of(granule / kChunkGranules) != ChunkPages::kHuge;
  return {granule, granules, untouched, fresh != 0};
}

void PageHeap::release(uint32_t granule, uint32_t granules, bool purged) {
  for_each_chunk(granule, granules, [&](uint32_t index, uint64_t mask) {
    Chunk& c = chunk(index);
    if (purged) {
      count_clean(c.dirty.fetch_and(~mask, std::memory_order_acq_rel) & mask);
    } else {
      count_free(std::popcount(mask));
    }
    // seq_cst: see update_hints.
    const uint64_t before = c.used.fetch_and(~mask, std::memory_order_seq_cst);
    if (longest_run_order(~before) != longest_run_order(~before | mask)) update_hints(index);
  });
}

bool PageHeap::extend(uint32_t granule, uint32_t granules, uint32_t new_granules,
                      ProcessCharge* charge) {
  const uint32_t from = granule + granules;
  const uint32_t added = new_granules - granules;
  if (claim(from, added) != kNoGranule || !pay_for(from, added, charge)) return false;
  make_uniform(granule, new_granules);
  mark_dirty(from, added, Fill::kAny);
  return true;
}

void PageHeap::repair_hints() {
  const uint32_t frontier = frontier_.load(std::memory_order_acquire);
  for (uint32_t index = 0; index < frontier; ++index) update_hints(index);
}

size_t PageHeap::dirty_bytes() const {
  size_t granules = 0;
  const uint32_t frontier = frontier_.load(std::memory_order_acquire);
  for (uint32_t index = 0; index < frontier; ++index)
    granules +=
        static_cast<unsigned>(std::popcount(chunk(index).dirty.load(std::memory_order_relaxed)));
  return granules * kGranuleSize;
}

}  // namespace tenure
