// Room allocator/fronts: free objects and charges on their way between threads and slabs. It calls slabs and accounting. It
// promises that no thread waits for another one's CPU, and that a drained word holds nothing.
//
// The words of one cache on the CPU this thread runs on: what slow paths do with them. With rseq they are the CPU's own; a thread
// without rseq uses an area shared by such threads, with atomic operations of the same contract.
#pragma once

#include <atomic>

#include "allocator/slabs/arena.h"
#include "rcu/rseq_fallback.h"
#include "rcu/rseq_ops.h"

namespace tenure {

// Area for a thread without rseq. Assigned in turn at its first use.
uint32_t shared_area();

inline std::atomic<ChainWord>& word_in_area(uint32_t area, uint32_t offset) {
  return *reinterpret_cast<std::atomic<ChainWord>*>(hot.cpu_base + (size_t{area} << kCpuShift) +
                                                    offset);
}

// Whether this thread uses the CPU's own words. Its first slow step registers it where that is the library's part.
bool join_sequences();
inline bool by_sequences() {
  if (!arena.rseq) return false;
  const int32_t cpu = rseq_cpu(hot.rseq);
  if (TENURE_LIKELY(cpu >= 0)) return true;
  return cpu == kRseqNeverRegistered && arena.own_rseq && join_sequences();
}

// The area of the CPU this thread runs on, or the one it shares.
inline uint32_t own_area() {
  const int cpu = arena.rseq ? static_cast<int>(rseq_cpu(hot.rseq)) : -1;
  return cpu >= 0 ? static_cast<uint32_t>(cpu) : arena.cpus + shared_area();
}

// The first `most` objects of a chain of this cache's, which the caller holds, as a list that is closed at its end: the word that is left
// when its last object has been popped is the closed one, with which malloc's lists are not swapped (decay.h). The others are
// `*rest`. Such a list may be a front's for malloc, or go to slabs, but not into a depot.
constexpr uint32_t kLongestWatched = 128;
ChainWord close_at_end(ChainWord chain, uint32_t most, ChainWord* rest);
// Chains with more objects than a list takes look the same.
constexpr bool may_be_closed_at_end(ChainWord chain) {
  return static_cast<int16_t>(room_bits(chain)) < 0;
}

// The same objects as a list that is open at its end and may be in a depot, if the chain, which the caller holds, is closed at its
// end; else the chain. At most kLongestWatched steps.
ChainWord open_at_end(ChainWord chain, uint16_t limit);

class Front {
public:
  explicit Front(const Cache& cache)
      : slot_(cache.front_slot.load(std::memory_order_relaxed)), limit_(cache.limit),
        by_rseq_(by_sequences()) {}
  // Whether the cache has words in the fronts; without, nothing else may be called.
  explicit operator bool() const { return slot_ != 0; }

  // Whether the words are the CPU's own, and lists are swapped without a slow step.
  bool by_rseq() const { return by_rseq_; }

  enum Word : uint32_t { kAllocWord = 0, kFreeWord = 8 };

  // A snapshot: the thread may be on another CPU by the time it is used.
  ChainWord load(Word word) const {
    return word_in_area(area(), slot_ + word).load(std::memory_order_acquire);
  }
  // Replaces the current CPU's word if it equals `expected`.
  bool compare_exchange(Word word, ChainWord expected, ChainWord desired) const {
    if (by_rseq_) {
      return rseq_compare_exchange(hot.cpu_base, hot.rseq, slot_ + word, expected, desired) ==
             expected;
    }
    return shared_word(word).compare_exchange_strong(expected, desired, std::memory_order_acq_rel,
                                                     std::memory_order_relaxed);
  }
  // `stray` is a chain that found its place taken: the caller gives it to the depot.
  void* pop(Word word, ChainWord* stray) const;
  bool push(void* object) const {
    if (by_rseq_) return rseq_push(hot.cpu_base, hot.rseq, slot_, object);
    return fallback_push(shared_word(kFreeWord), object);
  }

  // The word of a list that is open and has no objects.
  ChainWord open_word() const;
  // Takes a whole list of the CPU, leaving it open; a word without objects if it has none.
  ChainWord take_list(Word word) const;
  // Makes `chain` the list that malloc pops from, if there is none. False: the caller keeps it. One without objects opens the
  // slot, so that malloc swaps its lists.
  bool install(ChainWord chain) const;

private:
  uint32_t area() const {
    return by_rseq_ ? static_cast<uint32_t>(rseq_cpu(hot.rseq)) : arena.cpus + shared_area();
  }
  std::atomic<ChainWord>& shared_word(Word word) const {
    return word_in_area(arena.cpus + shared_area(), slot_ + word);
  }

  const uint32_t slot_;
  const uint16_t limit_;
  const bool by_rseq_;
};

}  // namespace tenure
