#include "allocator/fronts/drain.h"

#include <sched.h>

#include "allocator/fronts/depots.h"
#include "allocator/fronts/front.h"
#include "allocator/fronts/paying.h"
#include "allocator/fronts/sampler.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/family.h"
#include "base/system/sandbox.h"
#include "rcu/cpu_fence.h"

namespace tenure {
namespace {

// One drainer at a time: with two, one could take the other's STOPPED for its own. Nobody waits for it: who finds it taken
// does without draining.
constinit std::atomic<bool> draining{false};

constexpr ChainWord kUntouched = ~ChainWord{0};

struct Words {
  Cache* const* caches;
  uint32_t count;
  DrainTo to = DrainTo::kSlabs;

  uint32_t size() const { return 2 * count; }
  Cache& cache(uint32_t i) const { return *caches[i / 2]; }
  std::atomic<ChainWord>& at(uint32_t area, uint32_t i) const {
    const uint32_t slot = cache(i).front_slot.load(std::memory_order_relaxed);
    return word_in_area(area, slot + (i % 2) * kFreeWord);
  }
};

// Words of tenants are closed also where they are open and empty, so that the next object that comes has to open them
// (caching_tenants.h).
bool is_to_close(const Words& words, uint32_t i, ChainWord word) {
  if (has_objects(word)) return true;
  if (words.to == DrainTo::kAnew) return word != kClosedWord && !is_held(word);
  return words.cache(i).owner != &root_tenant && word != kClosedWord && !is_held(word);
}

size_t give_back(const Words& words, uint32_t i, ChainWord chain) {
  if (!has_objects(chain)) return 0;
  Cache& cache = words.cache(i);
  const size_t unpaid = cache.payer ? unpay_at_once(cache, chain_length(chain, cache.limit)) : 0;
  // One that ends in a closed word, or is very long, may not be in a depot.
  if (words.to == DrainTo::kDepots && !may_be_closed_at_end(chain)) {
    keep_unpaid_chain(cache, chain);
    return unpaid;
  }
  const size_t emptied = size_t{give_to_slabs(cache, chain)} * cache.granules * kGranuleSize;
  return cache.payer ? unpaid : emptied;
}

// Having run on a CPU is a fence for it: what ran there was preempted, and its section aborted. For where membarrier is refused.
bool visit_cpu(uint32_t cpu) {
  if (is_filtered()) return false;
  cpu_set_t home, there;
  CPU_ZERO(&there);
  if (cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof home, &home) != 0) return false;
  CPU_SET(cpu, &there);
  if (sched_setaffinity(0, sizeof there, &there) != 0) return false;
  sched_setaffinity(0, sizeof home, &home);
  return true;
}

// Words of shared areas change by compare-and-swap only, which the exchange already excludes.
bool fence_for(uint32_t area) {
  return area >= arena.cpus || !arena.rseq || cpu_fence() || visit_cpu(area);
}

// The words of the CPU this thread runs on need no fence, which would disturb the others: a tenant that runs on one CPU, and meets
// its limit again and again, is that one's trouble only.
size_t empty_own_words(const Words& words) {
  size_t freed = 0;
  for (uint32_t i = 0; i < words.size(); ++i) {
    const Front front(words.cache(i));
    const Front::Word word = i % 2 ? Front::kFreeWord : Front::kAllocWord;
    if (i % 2 == 0)
      forget_point(own_area(), words.cache(i).front_slot.load(std::memory_order_relaxed));
    if (words.to == DrainTo::kSlabs) {
      freed += give_back(words, i, front.take_list(word));
      const ChainWord left = front.load(word);
      if (!has_objects(left) && is_to_close(words, i, left))
        front.compare_exchange(word, left, kClosedWord);
    } else if (const ChainWord list = front.load(word); !is_held(list)) {
      if (front.compare_exchange(word, list, kClosedWord)) freed += give_back(words, i, list);
    }
  }
  return freed;
}

size_t drain_area(uint32_t area, const Words& words) {
  ChainWord taken[2 * kDrainMost];
  bool any = false;
  for (uint32_t i = 0; i < words.size(); ++i) {
    std::atomic<ChainWord>& word = words.at(area, i);
    taken[i] = kUntouched;
    ChainWord old = word.load(std::memory_order_acquire);
    while (is_to_close(words, i, old)) {
      // The object the old word names may be popped and reused until the fence: only the word is kept.
      if (!word.compare_exchange_weak(old, kStoppedWord, std::memory_order_acq_rel)) continue;
      taken[i] = old;
      any = true;
      break;
    }
  }
  if (!any) return 0;
  const bool fenced = fence_for(area);
  size_t freed = 0;
  for (uint32_t i = 0; i < words.size(); ++i) {
    if (taken[i] == kUntouched) continue;
    // Without the fence nothing may be concluded: the slot stays stopped, or in the hands of who committed over it.
    if (!fenced) continue;
    std::atomic<ChainWord>& word = words.at(area, i);
    // Closed, so that the next slow path opens it again; unless it was sealed meanwhile.
    ChainWord held = kStoppedWord;
    if (word.compare_exchange_strong(held, kClosedWord, std::memory_order_acq_rel) ||
        held == kSealedOverStoppedWord) {
      if (i % 2 == 0) forget_point(area, words.cache(i).front_slot.load(std::memory_order_relaxed));
      freed += give_back(words, i, taken[i]);
    }
  }
  return freed;
}

// Lists that malloc would pop from, and that are open, without objects. A section that has loaded one may still commit over it; there are no
// objects to lose.
void close_empty_words(uint32_t area, const Words& words) {
  for (uint32_t i = 0; i < words.size(); i += 2) {
    std::atomic<ChainWord>& word = words.at(area, i);
    ChainWord seen = word.load(std::memory_order_relaxed);
    if (!has_objects(seen) && seen != kClosedWord && !is_held(seen))
      word.compare_exchange_strong(seen, kClosedWord, std::memory_order_acq_rel);
  }
}

bool is_sealed(ChainWord word) { return word == kSealedWord || word == kSealedOverStoppedWord; }

// One fence for the areas [from, end); or a visit to each.
bool fence_for(uint32_t from, uint32_t end) {
  if (from >= arena.cpus || !arena.rseq || cpu_fence()) return true;
  bool all = true;
  for (uint32_t area = from; area < end; ++area) all &= fence_for(area);
  return all;
}

constexpr uint32_t kSealMost = 1024;  // Words held at a time.

enum class Sealed : uint8_t { kAll, kSome, kUnfenced };

void leave_in_depot(Cache& cache, ChainWord chain) {
  if (cache.payer) unpay_at_once(cache, chain_length(chain, cache.limit));
  cache.depot.push(open_at_end(chain, cache.limit));
}

// kSome: a section committed over a word, which takes another round.
Sealed seal_areas(uint32_t from, uint32_t end, const Words& words) {
  ChainWord taken[kSealMost];
  bool any = false;
  uint32_t at = 0;
  for (uint32_t area = from; area < end; ++area) {
    for (uint32_t i = 0; i < words.size(); ++i, ++at) {
      std::atomic<ChainWord>& word = words.at(area, i);
      taken[at] = kUntouched;
      ChainWord old = word.load(std::memory_order_acquire);
      while (!is_sealed(old)) {
        const bool stopped = old == kStoppedWord;
        const ChainWord seal = stopped ? kSealedOverStoppedWord : kSealedWord;
        if (!word.compare_exchange_weak(old, seal, std::memory_order_acq_rel)) continue;
        if (!stopped) taken[at] = old;
        any = true;
        break;
      }
    }
  }
  if (!any) return Sealed::kAll;
  if (!fence_for(from, end)) return Sealed::kUnfenced;
  bool all = true;
  at = 0;
  for (uint32_t area = from; area < end; ++area) {
    for (uint32_t i = 0; i < words.size(); ++i, ++at) {
      const ChainWord now = words.at(area, i).load(std::memory_order_acquire);
      if (taken[at] != kUntouched && now == kSealedWord && has_objects(taken[at]))
        leave_in_depot(words.cache(i), taken[at]);
      all &= is_sealed(now);
    }
  }
  return all ? Sealed::kAll : Sealed::kSome;
}

}  // namespace

size_t drain_caches(Cache* const* caches, uint32_t count, DrainTo to, Fences fences) {
  const Words words{caches, count, to};
  size_t freed = empty_own_words(words);
  if (count == 0 || draining.exchange(true, std::memory_order_acquire)) return freed;
  // Before anything is stopped, a first fence shows whether fences are to be had; where not, the fronts stay as they are.
  bool fences_work = !arena.rseq;
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    bool any = false;
    for (uint32_t i = 0; i < words.size() && !any; ++i) {
      any = is_to_close(words, i, words.at(area, i).load(std::memory_order_relaxed));
    }
    if (to == DrainTo::kDepots) close_empty_words(area, words);
    if (!any) continue;
    if (!fences_work) fences_work = fences == Fences::kAny ? fence_for(area) : cpu_fence();
    if (!fences_work) break;
    freed += drain_area(area, words);
  }
  draining.store(false, std::memory_order_release);
  return freed;
}

void drain_fronts() {
  Cache* caches[kClassCount];
  for (uint32_t i = 0; i < kClassCount; ++i) caches[i] = &root_caches[i];
  drain_caches(caches, kClassCount);
}

bool seal_caches(Cache* const* caches, uint32_t count) {
  // Each round more takes a section that straddles the exchange of the one before.
  constexpr int kRounds = 100;
  const Words words{caches, count};
  const uint32_t areas = arena.cpus + arena.shared_areas;
  const uint32_t step = kSealMost / words.size();
  // Nothing is held before a first fence has shown that they are to be had: what was taken could not be used.
  if (!fence_for(0, areas)) return false;
  for (uint32_t from = 0; from < areas; from += step) {
    const uint32_t end = from + step < areas ? from + step : areas;
    Sealed sealed = Sealed::kSome;
    for (int round = 0; sealed == Sealed::kSome && round < kRounds; ++round) {
      sealed = seal_areas(from, end, words);
    }
    if (sealed != Sealed::kAll) return false;
  }
  return true;
}

bool fence_all_cpus() { return fence_for(0, arena.cpus); }

bool is_drain_cut_off() { return draining.load(std::memory_order_relaxed); }

void reopen_words(Cache& cache) {
  const uint32_t slot = cache.front_slot.load(std::memory_order_relaxed);
  if (slot == 0) return;
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    for (const uint32_t offset : {0u, kFreeWord}) {
      std::atomic<ChainWord>& word = word_in_area(area, slot + offset);
      if (word.load(std::memory_order_relaxed) == kStoppedWord) {
        word.store(kClosedWord, std::memory_order_relaxed);
      }
    }
  }
}

void end_cut_off_drain() { draining.store(false, std::memory_order_release); }

}  // namespace tenure
