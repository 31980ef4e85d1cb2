// A lock-free stack (Treiber) with a version tag beside the head. The tag protects an interrupted pop against a node that left and came
// back (ABA). Nodes are 64-bit values other than 0. The Links policy finds a node's link. A thread may read a node's link after another
// thread has popped the node, so links must lie in memory that stays mapped.
#pragma once

#include <cstdint>

#include "base/words/double_word.h"

namespace tenure {

// Links must have: static uint64_t load(uint64_t node) and static void store(uint64_t node, uint64_t next).
template <typename Links>
class TaggedStack {
public:
  constexpr TaggedStack() = default;

  // The tag's low half counts nodes, its upper half versions; both change at every push and pop.
  void push(uint64_t node) {
    for (;;) {
      const DoubleWord head = head_.load();
      Links::store(node, head.value);
      if (head_.compare_exchange(head, {node, head.tag + kVersion + 1})) return;
    }
  }

  // 0 if the stack is empty.
  uint64_t pop() {
    for (;;) {
      const DoubleWord head = head_.load();
      if (head.value == 0) return 0;
      const uint64_t next =
          Links::load(head.value);  // Perhaps stale. In that case the tag has changed.
      if (head_.compare_exchange(head, {next, head.tag + kVersion - 1})) return head.value;
    }
  }

  // Number of nodes at some moment.
  uint32_t size() const { return static_cast<uint32_t>(head_.load().tag); }
  bool empty() const { return head_.load().value == 0; }
  // First node, for walks while no other thread changes the stack.
  uint64_t peek() const { return head_.load().value; }

private:
  static constexpr uint64_t kVersion = 1ULL << 32;
  AtomicDoubleWord head_;
};

}  // namespace tenure
