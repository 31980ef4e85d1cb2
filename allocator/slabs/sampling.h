// Whether objects are sampled, and the end of lists that follows from it (allocator/fronts/sampler.h has the rest).
#pragma once

#include <atomic>
#include <cstdint>

#include "allocator/slabs/arena.h"
#include "base/words/attributes.h"

namespace tenure {

struct Sampler {
  // Whether objects are sampled. Relaxed: a slow step that reads an old value samples one object more or less.
  std::atomic<bool> on{false};
  // Bytes between two points on average. Relaxed, as `on`.
  std::atomic<uint64_t> mean{0};
  // Bytes left to the next point, for each area and slot; 0: not drawn. Set once, with release. Relaxed otherwise: threads of one CPU change a
  // point by plain steps, and where one is interrupted in between, the point that the others moved meanwhile moves back.
  std::atomic<std::atomic<int64_t>*> points{nullptr};
  std::atomic<uint64_t> random{0};
  // Lists that are looked through yet for an end of before sampling began. Relaxed: a heuristic.
  std::atomic<uint32_t> lists_to_mend{0};
};
extern constinit Sampler sampler;

inline bool is_sampling() { return sampler.on.load(std::memory_order_relaxed); }

// The end of new lists: in the open word, or in the sentinel.
inline ChainWord list_end(uint16_t limit) {
  return TENURE_UNLIKELY(is_sampling()) && arena.rseq ? sentinel_word(limit) : empty_word(limit);
}

}  // namespace tenure
