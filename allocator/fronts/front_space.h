// Words in the per-CPU areas: which tenant's front, or which named cache's pair, lies at which offset.
#pragma once

#include <cstdint>

#include "allocator/pages/size_class.h"
#include "base/words/tagged_stack.h"

namespace tenure {

// Blocks are fronts: a word pair for each class, and behind them a depot for each (depots.h). A named cache takes a single pair and the
// depot that goes with it; such pairs are cut from a block.
// Lock-free, async-signal-safe.
class FrontSpace {
public:
  // 0: none left, the caller does without.
  uint32_t take_front();
  uint32_t take_pair();
  // Nobody uses the words any more: they are closed again for the next owner. A front is not the next one's at once: a thread that is
  // still inside the tenant, by mistake, finds it closed and takes the slow path, which knows whom to charge.
  void release_front(uint32_t offset);
  void release_pair(uint32_t offset);
  // Pages of all areas that hold a word other than that of an untouched one. Reads them: statistics only.
  size_t written_bytes() const;

private:
  struct Links {
    static uint64_t load(uint64_t node);
    static void store(uint64_t node, uint64_t next);
  };
  static void close(uint32_t offset, uint32_t bytes);
  uint32_t take_kept();

  std::atomic<uint32_t> next_{0};  // Blocks ever taken.
  TaggedStack<Links> fronts_, pairs_;
  // The fronts given back last, a ring. Relaxed: plain numbers.
  static constexpr uint32_t kKeptFronts = 64;
  std::atomic<uint32_t> kept_[kKeptFronts]{};
  std::atomic<uint32_t> released_{0};
};
extern constinit FrontSpace front_space;

}  // namespace tenure
