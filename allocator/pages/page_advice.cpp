// Advice for, or against, huge pages (huge_pages.h).
#include "allocator/pages/page_heap.h"

namespace tenure {
namespace {

// Of a chunk's 512 pages: where so many are in use, huge pages cost at most an eighth more memory.
constexpr size_t kFilled = kHugePageSize / kPageSize * 7 / 8;

// A sixteenth of the mappings that a process may have by default (vm.max_map_count).
constexpr uint32_t kMostSplits = 65530 / 16;

}  // namespace

bool PageHeap::is_filled(uint32_t index) const {
  return pages_of(index) == ChunkPages::kSmall &&
         os::resident_pages(address(index * kChunkGranules), kChunkSize) >= kFilled;
}

// Asked for once the heap is no small one any more: a small process opens no file for it.
bool PageHeap::huge_pages_work() {
  Huge huge = huge_.load(std::memory_order_relaxed);
  if (huge != Huge::kUnknown) return huge == Huge::kWorking;
  const Huge found = os::huge_pages_available() ? Huge::kWorking : Huge::kDone;
  return huge_.compare_exchange_strong(huge, found, std::memory_order_relaxed)
             ? found == Huge::kWorking
             : huge == Huge::kWorking;
}

bool PageHeap::wants_huge_pages(uint32_t first, uint32_t end) {
  if (huge_.load(std::memory_order_relaxed) == Huge::kDone) return false;
  const HugePageDecision decision =
      decide_huge_pages(trust_.load(std::memory_order_relaxed), first, end,
                        [this](uint32_t index) { return is_filled(index); });
  trust_.store(decision.trust, std::memory_order_relaxed);
  return decision.huge && huge_pages_work();
}

// The chunks are committed, and nobody uses them.
ChunkPages PageHeap::advise_new_chunks(uint32_t first, uint32_t end) {
  if (huge_pages_ == HugePageMode::kOff) return ChunkPages::kSmall;
  if (huge_pages_ == HugePageMode::kOn) return ChunkPages::kHuge;
  if (!wants_huge_pages(first, end)) return ChunkPages::kSmall;
  advise(first, end, true);
  return ChunkPages::kHuge;
}

// realloc moves a run's page tables where it lies in one mapping, that is where all of it got the same advice: as its last chunk did,
// which is what it has grown by.
void PageHeap::make_uniform(uint32_t granule, uint32_t granules) {
  if (huge_pages_ != HugePageMode::kAuto) return;
  const uint32_t first = granule / kChunkGranules, last = (granule + granules - 1) / kChunkGranules;
  const ChunkPages wanted =
      pages_of(last) == ChunkPages::kHuge ? ChunkPages::kHuge : ChunkPages::kSmall;
  bool mixed = false;
  for (uint32_t index = first; index <= last; ++index) {
    const ChunkPages pages = pages_of(index);
    if (pages == wanted) continue;
    // With kSmall, a chunk that was split stays so: it has the same advice.
    if (wanted == ChunkPages::kSmall && pages == ChunkPages::kSplit) continue;
    if (pages == ChunkPages::kSplit) splits_.fetch_sub(1, std::memory_order_relaxed);
    chunk(index).pages.store(wanted, std::memory_order_relaxed);
    mixed = true;
  }
  if (mixed) advise(first, last + 1, wanted == ChunkPages::kHuge);
}

// Parts of it are about to return to the system, which would put a huge page into their place again (khugepaged).
void PageHeap::split_chunk(uint32_t index) {
  ChunkPages huge = ChunkPages::kHuge;
  if (!chunk(index).pages.compare_exchange_strong(huge, ChunkPages::kSplit,
                                                  std::memory_order_relaxed))
    return;
  if (huge_.load(std::memory_order_relaxed) == Huge::kDone) return;
  if (splits_.fetch_add(1, std::memory_order_relaxed) < kMostSplits)
    return advise(index, index + 1, false);
  // One mapping again. What lies in huge pages stays there.
  huge_.store(Huge::kDone, std::memory_order_relaxed);
  advise(0, frontier(), false);
}

// All of it has returned to the system.
void PageHeap::join_chunk(uint32_t index) {
  if (huge_.load(std::memory_order_relaxed) == Huge::kDone ||
      !trust_.load(std::memory_order_relaxed).any())
    return;
  ChunkPages split = ChunkPages::kSplit;
  if (!chunk(index).pages.compare_exchange_strong(split, ChunkPages::kHuge,
                                                  std::memory_order_relaxed))
    return;
  splits_.fetch_sub(1, std::memory_order_relaxed);
  advise(index, index + 1, true);
}

void PageHeap::restore_advice(uint32_t granule, uint32_t granules) {
  if (huge_pages_ == HugePageMode::kOff) return;
  const bool done = huge_.load(std::memory_order_relaxed) == Huge::kDone;
  while (granules > 0) {
    const uint32_t left = kChunkGranules - granule % kChunkGranules;
    const uint32_t here = granules < left ? granules : left;
    const bool huge = !done && pages_of(granule / kChunkGranules) == ChunkPages::kHuge;
    os::advise_huge_pages(address(granule), size_t{here} * kGranuleSize, huge);
    granule += here;
    granules -= here;
  }
}

}  // namespace tenure
