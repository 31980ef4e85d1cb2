// Room base/words: values of one or two machine words and the pure functions on them. It calls nothing. It promises that each value
// changes by one compare-and-swap or one store.
//
// The only compare-and-swap loop. Lock-free state is a packed value, and a pure function changes the value.
//
// Source of the idea: llfree-c, atomic_update(); each transition can be unit-tested without threads.
#pragma once

#include <atomic>
#include <optional>

namespace tenure {

template <typename T>
struct Updated {
  T before;
  T after;
};

// Replaces `cell` by transition(cell) in one step and returns both values. If the transition returns nullopt, nothing changes, and the
// result is nullopt. The transition may run several times, so it must be pure. Lock-free: an attempt fails only because another thread's
// succeeded.
template <typename T, typename Transition>
inline std::optional<Updated<T>>
atomic_update(std::atomic<T>& cell, Transition transition,
              std::memory_order success = std::memory_order_acq_rel) {
  T before = cell.load(std::memory_order_acquire);
  for (;;) {
    const std::optional<T> after = transition(before);
    if (!after) return std::nullopt;
    if (cell.compare_exchange_weak(before, *after, success, std::memory_order_acquire)) {
      return Updated<T>{before, *after};
    }
  }
}

// Raises `cell` (an atomic or atomic_ref) to at least `value`. Returns the old value.
template <typename Cell, typename T>
inline T atomic_raise(Cell&& cell, T value) {
  T before = cell.load(std::memory_order_acquire);
  while (before < value && !cell.compare_exchange_weak(before, value, std::memory_order_acq_rel,
                                                       std::memory_order_acquire)) {
  }
  return before;
}

}  // namespace tenure
