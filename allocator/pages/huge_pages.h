// The choice of chunks for transparent huge pages (TENURE_HUGE_PAGES=auto): a fault for 2 MiB instead of 512, and fewer misses of
// the TLB. A huge page is resident as a whole, so it pays where the chunk will be filled.
//
// The evidence is what the heap did last. A chunk is opened where no other has room, so the one that was opened before it is used up by then;
// and as long as it lies in small pages, the system can say how much of it was really written to. If that is nearly all, what is opened next gets
// huge pages, as far as an eighth of the heap; then a chunk in small pages, the *probe*, is opened, and looked at when the chunk after it
// is used up as well. So a program that begins to leave its memory sparse has an eighth of its heap in huge pages too many.
// Heaps below 16 MiB have none.
//
// Temeraire (OSDI'21) packs a heap of huge pages by what it knows of its spans; here the page heap packs (page_heap.h), and the
// system is asked, as what a program does with large objects nobody else knows.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/words/bits.h"

namespace tenure {

// The pages of a chunk. kSplit: in huge pages at first, of which parts have returned to the system.
enum class ChunkPages : uint8_t { kSmall, kHuge, kSplit };

// The policy's memory, packed: the chunk that is looked at next, and how far huge pages are trusted.
struct HugePageTrust {
  // No chunk at or beyond it gets huge pages.
  uint32_t upto;
  // Lies in small pages, or did when it was opened.
  uint32_t probe : 31;
  // Nobody has looked at the probe yet.
  uint32_t waiting : 1;

  // Where the look at the probe said that it is filled.
  bool any() const { return upto != 0; }
};
static_assert(sizeof(HugePageTrust) == 8 && std::atomic<HugePageTrust>::is_always_lock_free);

// Chunks of a heap that has no huge pages: 16 MiB.
constexpr uint32_t kSmallHeapChunks = 8;
// Huge pages between two probes: an eighth of the heap, and a few where it is small.
constexpr uint32_t kTrustedShare = 8;
constexpr uint32_t kLeastTrusted = 8;

struct HugePageDecision {
  HugePageTrust trust;
  bool huge;
};

// Decides for chunks [first, end), which are the next to be opened. `filled(chunk)` looks at a chunk.
template <typename Filled>
HugePageDecision decide_huge_pages(HugePageTrust trust, uint32_t first, uint32_t end,
                                   Filled filled) {
  const HugePageDecision probe{{0, first, 1}, false};
  if (end <= kSmallHeapChunks) return probe;
  if (end <= trust.upto) return {trust, true};
  if (trust.waiting) {
    // The probe is used up when the chunk after it is opened; what was carved of it last is written to a little later.
    if (first <= uint32_t{trust.probe} + 1) return {trust, false};
    if (!filled(trust.probe)) return probe;
    const uint32_t share = first / kTrustedShare;
    trust = {first + (share > kLeastTrusted ? share : kLeastTrusted), 0, 0};
    if (end <= trust.upto) return {trust, true};
  }
  // The trust is used up, or the run is longer than it: the next probe. The chunk after it is as trusted as those before.
  return {{trust.any() ? end + 1 : 0, first, 1}, false};
}

}  // namespace tenure
