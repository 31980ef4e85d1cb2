#include "allocator/fronts/front_space.h"

#include "allocator/fronts/front.h"

namespace tenure {

constinit FrontSpace front_space;

namespace {

// Behind the closed front and the root's; a page on, so that tenants' words share no line with them.
constexpr uint32_t kFirstBlock = 8192;
// The words, and behind them the depots.
constexpr uint32_t kBlockSize = 2 * kFrontSize;
static_assert(sizeof(Depot) == kSlotSize);
static_assert(kPoolFrontOffset + kBlockSize <= kFirstBlock);
// The last page is the run stash's.
constexpr uint32_t kBlocks = (kFrontAreaSize - kPageSize - kFirstBlock) / kBlockSize;
constexpr uint32_t kPairsInBlock = kFrontSize / kSlotSize;

// Links of free blocks and pairs, by slot.
constexpr uint32_t kSlots = kFrontAreaSize / kSlotSize;
constinit std::atomic<uint32_t> links[kSlots]{};

}  // namespace

uint64_t FrontSpace::Links::load(uint64_t node) {
  return links[node / kSlotSize].load(std::memory_order_relaxed);
}
void FrontSpace::Links::store(uint64_t node, uint64_t next) {
  links[node / kSlotSize].store(static_cast<uint32_t>(next), std::memory_order_relaxed);
}

uint32_t FrontSpace::take_front() {
  if (const uint64_t recycled = fronts_.pop()) return static_cast<uint32_t>(recycled);
  uint32_t block = next_.load(std::memory_order_relaxed);
  do {
    if (block == kBlocks) return take_kept();
  } while (!next_.compare_exchange_weak(block, block + 1, std::memory_order_relaxed));
  return kFirstBlock + block * kBlockSize;
}

uint32_t FrontSpace::take_kept() {
  for (std::atomic<uint32_t>& slot : kept_) {
    if (slot.load(std::memory_order_relaxed) == 0) continue;
    if (const uint32_t front = slot.exchange(0, std::memory_order_relaxed)) return front;
  }
  return 0;
}

uint32_t FrontSpace::take_pair() {
  if (const uint64_t pair = pairs_.pop()) return static_cast<uint32_t>(pair);
  const uint32_t block = take_front();
  if (block == 0) return 0;
  for (uint32_t i = 1; i < kPairsInBlock; ++i) pairs_.push(block + i * kSlotSize);
  return block;
}

void FrontSpace::close(uint32_t offset, uint32_t bytes) {
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    for (uint32_t at = offset; at < offset + bytes; at += sizeof(ChainWord)) {
      std::atomic<ChainWord>& word = word_in_area(area, at);
      // Most were never written: their pages stay untouched.
      if (word.load(std::memory_order_relaxed) != kClosedWord) {
        word.store(kClosedWord, std::memory_order_relaxed);
      }
    }
  }
}

size_t FrontSpace::written_bytes() const {
  // Behind the blocks ever taken nothing was written, but in the last page.
  const uint32_t end = kFirstBlock + next_.load(std::memory_order_relaxed) * kBlockSize;
  size_t pages = 0;
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    const auto count = [&pages, area](uint32_t page) {
      for (uint32_t at = page; at < page + kPageSize; at += sizeof(ChainWord)) {
        if (word_in_area(area, at).load(std::memory_order_relaxed) == kClosedWord) continue;
        ++pages;
        return;
      }
    };
    for (uint32_t page = 0; page < end; page += kPageSize) count(page);
    count(kFrontAreaSize - kPageSize);
  }
  return pages * kPageSize;
}

void FrontSpace::release_front(uint32_t offset) {
  close(offset, kBlockSize);
  const uint32_t at = released_.fetch_add(1, std::memory_order_relaxed);
  const uint32_t longest = kept_[at % kKeptFronts].exchange(offset, std::memory_order_relaxed);
  if (longest != 0) fronts_.push(longest);
}

void FrontSpace::release_pair(uint32_t offset) {
  close(offset, kSlotSize);
  close(offset + kFrontSize, kSlotSize);
  pairs_.push(offset);
}

}  // namespace tenure
