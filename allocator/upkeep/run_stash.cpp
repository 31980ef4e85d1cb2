#include "allocator/upkeep/run_stash.h"

#include <errno.h>

#include "allocator/fronts/charge_stock.h"
#include "allocator/fronts/drain.h"
#include "allocator/fronts/front.h"
#include "allocator/slabs/arena.h"
#include "allocator/upkeep/decay.h"
#include "allocator/upkeep/reclaim.h"
#include "rcu/cpu_fence.h"

namespace tenure {
namespace {

constexpr uint32_t kShortWords = log2_floor(kChunkGranules);  // Up to 2, 4, ... 64 granules
constexpr uint32_t kWords = kShortWords + 1;
constexpr uint32_t kLongest = static_cast<uint32_t>(kLongestStashed / kGranuleSize);

// The last page of each CPU's area: first the words, then what an emptying has taken from them.
constexpr uint32_t kStashOffset = kFrontAreaSize - kPageSize;
constexpr uint32_t kTakenOffset = kStashOffset + kWords * sizeof(ChainWord);
static_assert(kRootFrontOffset + kFrontSize <= kStashOffset);
static_assert(kTakenOffset + kWords * sizeof(ChainWord) <= kStockOffset);

// A word is a chain word with a descriptor's number in the pointer's place, and in the room's place how often the word
// has taken a run: so a word that left and came back differs, and every kPollEvery-th keep looks at the clock.
constexpr uint16_t kCountMask = 0x3fff;
constexpr uint16_t kCounted = 0x4000;  // Always set: neither the closed nor the stopped word.
constexpr uint16_t kPollEvery = 64;

// Whether any word may hold a run: spares the heap's growth the look at all CPUs' areas. Relaxed, and it may miss a run that is being
// kept at the moment; the looks at the decay do not rely on it.
constinit std::atomic<bool> in_use{false};
// One thread at a time empties; nobody waits for it.
constinit std::atomic<bool> emptying{false};

constexpr uint32_t offset_for(uint32_t granules) {
  const uint32_t index = granules > kChunkGranules ? kShortWords : log2_ceil(granules) - 1;
  return kStashOffset + index * static_cast<uint32_t>(sizeof(ChainWord));
}
constexpr bool fits(uint32_t granules) { return granules >= 2 && granules <= kLongest; }

bool enabled() { return arena.settings.decay_ms != 0 && !arena.hardened; }

// One word of the CPU this thread runs on.
struct OwnWord {
  uint32_t offset;
  ChainWord load() const {
    const auto cpu = static_cast<uint32_t>(rseq_cpu(hot.rseq));
    return word_in_area(cpu, offset).load(std::memory_order_acquire);
  }
  bool replace(ChainWord expected, ChainWord desired) const {
    return rseq_compare_exchange(hot.cpu_base, hot.rseq, offset, expected, desired) == expected;
  }
};

// One word of the area that this thread shares with others that have no restartable sequences.
struct SharedWord {
  uint32_t offset;
  std::atomic<ChainWord>& word() const { return word_in_area(arena.cpus + shared_area(), offset); }
  ChainWord load() const { return word().load(std::memory_order_acquire); }
  bool replace(ChainWord expected, ChainWord desired) const {
    return word().compare_exchange_strong(expected, desired, std::memory_order_acq_rel,
                                          std::memory_order_relaxed);
  }
};

uint32_t number_in(ChainWord word) { return static_cast<uint32_t>(pointer_bits(word)); }

TENURE_STALE_READ bool suits(const RunDescriptor& run, uint32_t granules, size_t alignment) {
  const auto address = reinterpret_cast<uint64_t>(arena.page_heap.address(run.granule));
  return run.granules == granules && (address & (alignment - 1)) == 0;
}

// Calls f(word, taken) for each word of every area.
template <typename F>
void for_each_word(F f) {
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    for (uint32_t i = 0; i < kWords; ++i) {
      const uint32_t place = i * static_cast<uint32_t>(sizeof(ChainWord));
      f(word_in_area(area, kStashOffset + place), word_in_area(area, kTakenOffset + place));
    }
  }
}

// The objects taken from a word are this thread's if the word is still stopped; if not, a section that had loaded it
// has committed since, and it says nothing any more (docs/rseq.md, "Draining another CPU").
void release_taken() {
  for_each_word([](std::atomic<ChainWord>& word, std::atomic<ChainWord>& taken) {
    const ChainWord held = taken.load(std::memory_order_relaxed);
    if (held == kClosedWord) return;
    taken.store(kClosedWord, std::memory_order_relaxed);
    if (word.load(std::memory_order_acquire) != kStoppedWord) return;
    word.store(kClosedWord, std::memory_order_release);
    if (has_objects(held)) release_large(number_in(held));
  });
}

// Without a fence other CPUs' words are out of reach, but not those of the CPU this thread runs on.
void empty_own() {
  if (!by_sequences()) return;
  for (uint32_t i = 0; i < kWords; ++i) {
    const OwnWord stash{offset_for(2u << i)};
    const ChainWord word = stash.load();
    if (has_objects(word) && stash.replace(word, room_bits(word))) release_large(number_in(word));
  }
}

// The run that was freed last is the one that is still in the processor's caches; the one before makes room for it.
TENURE_SLOW bool replaced_slow(ChainWord before) {
  const int saved = errno;
  if (has_objects(before)) {
    const size_t bytes = arena.descriptors.at(number_in(before)).large_bytes;
    release_large(number_in(before));
    pay_for_free_pages(bytes);
  }
  poll_decay();
  errno = saved;
  return true;
}

TENURE_SLOW uint32_t give_up_slow(uint32_t number) {
  release_large(number);
  return 0;
}

// Both inline, and their slow steps last: with rseq, no call is in the way.
template <typename Word>
TENURE_INLINE uint32_t take(const Word& stash, uint32_t granules, size_t alignment) {
  const ChainWord word = stash.load();
  if (!has_objects(word)) return 0;
  const uint32_t number = number_in(word);
  RunDescriptor& run = arena.descriptors.at(number);
  // A guess until the word is this thread's: descriptors may be recycled, but stay readable.
  if (!suits(run, granules, alignment)) return 0;
  if (!stash.replace(word, room_bits(word))) return 0;
  if (TENURE_UNLIKELY(!suits(run, granules, alignment))) return give_up_slow(number);
  run.kind = RunKind::kLarge;
  return number;
}

template <typename Word>
TENURE_INLINE bool keep(const Word& stash, uint32_t number) {
  RunDescriptor& run = arena.descriptors.at(number);
  const ChainWord word = stash.load();
  if (word == kStoppedWord) return false;
  const auto count = static_cast<uint16_t>(((room_bits(word) + 1) & kCountMask) | kCounted);
  // Before the commit, after which the run is anybody's. The taker on another CPU has it through the fence.
  run.kind = RunKind::kStashed;
  if (!stash.replace(word, chain_word(number, count))) {
    run.kind = RunKind::kLarge;
    return false;
  }
  if (!in_use.load(std::memory_order_relaxed)) in_use.store(true, std::memory_order_relaxed);
  if (has_objects(word) || count % kPollEvery == 0 || fronts_watched()) return replaced_slow(word);
  return true;
}

TENURE_SLOW uint32_t take_shared(uint32_t granules, size_t alignment) {
  return take(SharedWord{offset_for(granules)}, granules, alignment);
}
TENURE_SLOW bool keep_shared(uint32_t number) {
  return keep(SharedWord{offset_for(arena.descriptors.at(number).granules)}, number);
}

}  // namespace

uint32_t take_stashed(uint32_t granules, size_t alignment) {
  if (!fits(granules)) return 0;
  if (TENURE_UNLIKELY(!by_sequences())) return take_shared(granules, alignment);
  return take(OwnWord{offset_for(granules)}, granules, alignment);
}

bool stash_run(uint32_t number) {
  const RunDescriptor& run = arena.descriptors.at(number);
  // The length of a buffer that realloc resized is one of many, and its place the next one's to grow in.
  if (!fits(run.granules) || run.moved || run.resized || !enabled()) return false;
  if (TENURE_UNLIKELY(!by_sequences())) return keep_shared(number);
  return keep(OwnWord{offset_for(run.granules)}, number);
}

void empty_stashes() {
  if (emptying.exchange(true, std::memory_order_acquire)) return;
  in_use.store(false, std::memory_order_relaxed);
  bool any = false;
  for_each_word([&](std::atomic<ChainWord>& word, std::atomic<ChainWord>& taken) {
    // Taken objects: left by an emptying whose second fence was refused.
    any = any || has_objects(word.load(std::memory_order_acquire)) ||
          taken.load(std::memory_order_relaxed) != kClosedWord;
  });
  // A first fence shows whether fences are to be had: a word that is stopped without one stays so.
  if (any && arena.rseq && !cpu_fence()) {
    empty_own();
  } else if (any) {
    for_each_word([](std::atomic<ChainWord>& word, std::atomic<ChainWord>& taken) {
      if (!has_objects(word.load(std::memory_order_acquire))) return;
      taken.store(word.exchange(kStoppedWord, std::memory_order_acq_rel),
                  std::memory_order_relaxed);
    });
    if (fence_all_cpus()) release_taken();
  }
  emptying.store(false, std::memory_order_release);
}

void empty_stashes_before_growth() {
  if (in_use.load(std::memory_order_relaxed)) empty_stashes();
}

// The child has one thread: no section of another will commit any more, which is what the fence is for.
void repair_stashes_after_fork() {
  if (!emptying.load(std::memory_order_relaxed)) return;
  release_taken();
  // The objects taken from a word between two steps are lost; the word is not.
  for_each_word([](std::atomic<ChainWord>& word, std::atomic<ChainWord>&) {
    if (word.load(std::memory_order_relaxed) == kStoppedWord)
      word.store(kClosedWord, std::memory_order_relaxed);
  });
  emptying.store(false, std::memory_order_relaxed);
}

const char* validate_stashes() {
  const char* wrong = nullptr;
  for_each_word([&](std::atomic<ChainWord>& word, std::atomic<ChainWord>& taken) {
    const ChainWord seen = word.load(std::memory_order_relaxed);
    if (seen == kStoppedWord || taken.load(std::memory_order_relaxed) != kClosedWord)
      wrong = "a stash is stopped";
    if (!has_objects(seen)) return;
    const RunDescriptor& run = arena.descriptors.at(number_in(seen));
    const GranuleEntry& entry = arena.page_map.at(run.granule);
    if (run.kind != RunKind::kStashed || run.moved || !fits(run.granules) ||
        entry.descriptor.load(std::memory_order_relaxed) != number_in(seen))
      wrong = "a stashed run is not one";
  });
  return wrong;
}

}  // namespace tenure
