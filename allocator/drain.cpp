#include "allocator/drain.h"

#include "allocator/arena.h"
#include "allocator/front.h"
#include "allocator/run_stash.h"
#include "rcu/cpu_fence.h"

namespace tenure {
namespace {

// One drainer at a time: with two, one could take the other's STOPPED for its own. Nobody waits for it: who finds it taken
// does without draining.
constinit std::atomic<bool> draining{false};

constexpr uint32_t kWords = 2 * kClassCount;
constexpr ChainWord kUntouched = ~ChainWord{0};

Cache& cache_of_word(uint32_t i) { return root_caches[i / 2]; }

std::atomic<ChainWord>& front_word(uint32_t area, uint32_t i) {
  return word_in_area(area, cache_of_word(i).front_slot + (i % 2) * kFreeWord);
}

// 1. Exchange each word with objects for STOPPED: pop then sees an empty list, push a full one, and slow paths leave it alone.
//    A section that loaded the old word before may still commit over it.
// 2. One fence for all words: every such section has committed or was aborted.
// 3. Where STOPPED still stands, nobody has used the old word and nobody will: it is ours. Elsewhere a commit won and the old word
//    says nothing any more.
// A swap (pop_pair in rcu/rseq_ops.h) commits both words of a slot at once. It loads neither as STOPPED and stores neither as STOPPED,
// so each word by itself is as in a commit of its own, also where this thread exchanged one before the commit and the other after it.
// An exchange alone would be wrong: the section may have loaded head and next before it, and commit after it.
void drain_area(uint32_t area) {
  ChainWord taken[kWords];
  bool any = false;
  for (uint32_t i = 0; i < kWords; ++i) {
    std::atomic<ChainWord>& word = front_word(area, i);
    taken[i] = kUntouched;
    if (!has_objects(word.load(std::memory_order_acquire))) continue;
    // The object the old word names may be popped and reused until the fence: only the word is kept.
    taken[i] = word.exchange(kStoppedWord, std::memory_order_acq_rel);
    any = true;
  }
  if (!any) return;
  // Words of shared areas change by compare-and-swap only, which the exchange already excludes.
  const bool fenced = area >= arena.cpus || !arena.rseq || cpu_fence();
  for (uint32_t i = 0; i < kWords; ++i) {
    if (taken[i] == kUntouched) continue;
    std::atomic<ChainWord>& word = front_word(area, i);
    // Without the fence nothing may be concluded: the slot stays stopped, or in the hands of who committed over it.
    if (!fenced || word.load(std::memory_order_acquire) != kStoppedWord) continue;
    // Closed, so that the next slow path opens it again. Nobody else writes to a stopped word.
    word.store(kClosedWord, std::memory_order_release);
    if (has_objects(taken[i])) give_to_slabs(cache_of_word(i), taken[i]);
  }
}

}  // namespace

void drain_fronts() {
  if (draining.exchange(true, std::memory_order_acquire)) return;
  // A first fence shows whether fences are to be had; where not, the fronts stay as they are.
  if (!arena.rseq || cpu_fence()) {
    for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) drain_area(area);
  }
  draining.store(false, std::memory_order_release);
}

void repair_fronts_after_fork() {
  repair_stashes_after_fork();
  if (!draining.load(std::memory_order_relaxed)) return;
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    for (uint32_t i = 0; i < kWords; ++i) {
      std::atomic<ChainWord>& word = front_word(area, i);
      if (word.load(std::memory_order_relaxed) == kStoppedWord) {
        word.store(kClosedWord, std::memory_order_relaxed);
      }
    }
  }
  draining.store(false, std::memory_order_relaxed);
}

}  // namespace tenure
