// A size class's notes for promotion (caches/promotion.h): the slabs that its pool made last, and how often tenants look at them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace tenure {

class Cache;

// The slabs that a pool made last: what tenants hold is estimated from their tags. Descriptor numbers; 0: none. Relaxed: a number may
// be that of a slab that has gone, which the look checks.
class RecentSlabs {
public:
  void note(uint32_t number) {
    const uint32_t turn = next_.fetch_add(1, std::memory_order_relaxed);
    numbers_[turn % numbers_.size()].store(number, std::memory_order_relaxed);
  }
  // Objects of the pool that carry the tag, estimated where the pool has more slabs; 0 where a few were found only, by chance.
  uint64_t count(const Cache& pool, uint32_t tag) const;

private:
  std::atomic<uint32_t> next_{0};
  std::array<std::atomic<uint32_t>, 64> numbers_{};
};

// How often tenants look: after a step, two, four, ..., 128 steps, while looks are in vain. Heuristics: relaxed, and races may lose counts.
class Patience {
public:
  // Counts a step; whether it is time for a look.
  bool is_over() {
    const uint32_t left = left_.load(std::memory_order_relaxed);
    if (left != 0) left_.store(left - 1, std::memory_order_relaxed);
    return left == 0;
  }
  void note(bool success) {
    constexpr uint32_t kMost = 128;
    const uint32_t wait = wait_.load(std::memory_order_relaxed);
    const uint32_t next = success ? 1 : wait < kMost ? 2 * wait : kMost;
    wait_.store(next, std::memory_order_relaxed);
    // Not the same number each time, lest looks fall into step with what a program repeats.
    left_.store(next + (turns_.fetch_add(1, std::memory_order_relaxed) * 7 & (next - 1)),
                std::memory_order_relaxed);
  }

private:
  std::atomic<uint32_t> left_{0}, wait_{1}, turns_{0};
};

}  // namespace tenure
