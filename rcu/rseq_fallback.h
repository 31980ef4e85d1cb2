// rcu/rseq_ops.h without restartable sequences: atomic read-modify-writes on words of areas that no rseq thread touches
// (rseq commits are plain stores, so the two kinds must never share a word).
//
// A single-word pop cannot read the rest of the chain safely (the head may leave and come back in between), so pop takes
// the whole chain, keeps its first object and puts the rest back. If somebody has opened a new list there meanwhile, the
// rest is returned to the caller, who gives it to the depot. Nobody ever waits.
#pragma once

#include <atomic>

#include "base/words/atomic_update.h"
#include "base/words/chain_word.h"
#include "base/words/stock_word.h"

namespace tenure {

struct FallbackPop {
  void* object;     // nullptr: empty
  ChainWord stray;  // Chain the caller must find a place for; has_objects() or not.
  bool broken;  // The chain's words are corrupt; nothing was handed out and the chain is dropped.
};

struct AnyChain {
  constexpr bool operator()(ChainWord) const { return true; }
};

// `sound` is asked about the word behind the popped object before anyone follows it.
template <typename Sound = AnyChain>
FallbackPop fallback_pop(std::atomic<ChainWord>& slot, uint16_t limit, Sound sound = {}) {
  ChainWord word = slot.load(std::memory_order_acquire);
  for (;;) {
    if (!has_objects(word)) return {nullptr, kClosedWord, false};
    // Acquire: pairs with the release in fallback_push / compare_exchange by which the objects' links were published.
    if (slot.compare_exchange_weak(word, empty_word(limit), std::memory_order_acq_rel,
                                   std::memory_order_acquire)) {
      break;
    }
  }
  void* object = first_object(word);
  const ChainWord rest = load_link(object);
  if (!follows(rest, word) || !sound(rest)) return {object, kClosedWord, true};
  ChainWord expected = empty_word(limit);
  if (has_objects(rest) && !slot.compare_exchange_strong(expected, rest, std::memory_order_acq_rel,
                                                         std::memory_order_relaxed)) {
    return {object, rest, false};
  }
  return {object, kClosedWord, false};
}

inline bool fallback_push(std::atomic<ChainWord>& slot, void* object) {
  ChainWord word = slot.load(std::memory_order_acquire);
  for (;;) {
    if (!accepts_push(word) || first_object(word) == object) return false;
    // Only the value of the head matters for a push, so a head that left and came back does no harm. Release: pairs with
    // the acquire in fallback_pop.
    if (slot.compare_exchange_weak(word, chain_push(object, word), std::memory_order_acq_rel,
                                   std::memory_order_acquire)) {
      return true;
    }
  }
}

// Acquire-release: the bytes' charge comes before their use, and their use before their next one, wherever either happens.
inline bool fallback_take(std::atomic<uint32_t>& slot, uint32_t units) {
  return atomic_update(slot,
                       [units](uint32_t word) -> std::optional<uint32_t> {
                         const StockWord seen{word};
                         if (!seen.can_take(units)) return std::nullopt;
                         return seen.taken(units).word;
                       })
      .has_value();
}
inline bool fallback_give(std::atomic<uint32_t>& slot, uint32_t units) {
  return atomic_update(slot,
                       [units](uint32_t word) -> std::optional<uint32_t> {
                         const StockWord seen{word};
                         if (!seen.can_give(units)) return std::nullopt;
                         return seen.given(units).word;
                       })
      .has_value();
}

}  // namespace tenure
