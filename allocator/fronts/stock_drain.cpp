#include "allocator/fronts/stock_drain.h"

#include <bit>

#include "accounting/charge/charge.h"
#include "allocator/fronts/drain.h"
#include "rcu/cpu_fence.h"

namespace tenure {
namespace {

// Which numbers of stopped words are in use: bit i, number i. A drainer that finds none takes only what needs no fence: others are
// just taking the rest. Acquire and release: a number's next drainer comes after the last one's words.
constinit std::atomic<uint32_t> numbers_in_use{0};

int take_number() {
  uint32_t seen = numbers_in_use.load(std::memory_order_relaxed);
  for (;;) {
    const int number = std::countr_one(seen);
    if (number >= static_cast<int>(StockWord::kStops)) return -1;
    if (numbers_in_use.compare_exchange_weak(seen, seen | 1u << number, std::memory_order_acquire,
                                             std::memory_order_relaxed))
      return number;
  }
}

// Relaxed: only whether a fence has succeeded before. Where a filter takes fences away later, what is stopped stays so.
bool fences_work() {
  static constinit std::atomic<bool> seen{false};
  if (!seen.load(std::memory_order_relaxed) && fence_all_cpus())
    seen.store(true, std::memory_order_relaxed);
  return seen.load(std::memory_order_relaxed);
}

// Words of shared areas change by compare-and-swap only.
bool needs_fence(uint32_t area) { return arena.rseq && area < arena.cpus; }

}  // namespace

StockDrain::StockDrain(Which which) : which_(which) {}

StockDrain::~StockDrain() {
  if (number_ >= 0) numbers_in_use.fetch_and(~(1u << number_), std::memory_order_release);
}

void StockDrain::uncharge_taken(OwnerTag tag, StockWord word) {
  if (word.bytes() == 0) return;
  freed_ += word.bytes();
  uncharge(context_of(tag), word.bytes());
}

void StockDrain::take_at_once(uint32_t area, OwnerTag tag) {
  std::atomic<uint32_t>& word = stock_in(area, tag);
  uint32_t seen = word.load(std::memory_order_acquire);
  while (wants({seen})) {
    if (!word.compare_exchange_weak(seen, 0, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    uncharge_taken(tag, {seen});
    return;
  }
}

bool StockDrain::prepare() {
  if (number_ < 0 && !gave_up_) {
    // Nothing is stopped before a fence has shown that fences are to be had.
    gave_up_ = !fences_work() || (number_ = take_number()) < 0;
  }
  return !gave_up_;
}

void StockDrain::stop(uint32_t area, OwnerTag tag, bool again) {
  std::atomic<uint32_t>& word = stock_in(area, tag);
  const uint32_t mine = StockWord::stopped(static_cast<uint32_t>(number_)).word;
  uint32_t seen = word.load(std::memory_order_acquire);
  // A word that a section has committed over is closed even where it has no bytes: an offline may have found it stopped, and left it.
  while (again ? StockWord{seen}.open() : wants({seen})) {
    // Acquire-release: as in fallback_take(). Partner: the section that commits over it, for which settle() has the fence.
    if (!word.compare_exchange_weak(seen, mine, std::memory_order_acq_rel,
                                    std::memory_order_acquire))
      continue;
    stopped_[count_++] = {tag, area, {seen}};
    return;
  }
  left_any_ |= StockWord{seen}.held();
}

void StockDrain::settle() {
  // Each round more takes a section that straddles the exchange of the round before.
  constexpr int kRounds = 100;
  const uint32_t mine = StockWord::stopped(static_cast<uint32_t>(number_)).word;
  for (int round = 0; count_ != 0 && round < kRounds; ++round) {
    const bool fenced = fence_all_cpus();
    const uint32_t count = count_;
    count_ = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const Stopped taken = stopped_[i];
      uint32_t held = mine;
      // Without the fence nothing may be concluded: the word stays stopped, or in the hands of who committed over it.
      if (!fenced) continue;
      if (stock_in(taken.area, taken.tag)
              .compare_exchange_strong(held, 0, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
        uncharge_taken(taken.tag, taken.before);
      } else {
        stop(taken.area, taken.tag, true);
      }
    }
  }
}

void StockDrain::add(OwnerTag tag) {
  if (tag >= kStockWords) return;
  const Stock own(tag);
  for (StockWord seen = own.load(); wants(seen); seen = own.load()) {
    if (!own.replace(seen, {})) continue;
    uncharge_taken(tag, seen);
    break;
  }
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    const StockWord seen{stock_in(area, tag).load(std::memory_order_relaxed)};
    left_any_ |= seen.held();
    if (!wants(seen)) continue;
    if (!needs_fence(area)) {
      take_at_once(area, tag);
    } else if (prepare()) {
      stop(area, tag, false);
      if (count_ == kMost) settle();
    }
  }
}

size_t StockDrain::finish() {
  settle();
  return freed_;
}

void release_stops_after_fork() { numbers_in_use.store(0, std::memory_order_relaxed); }

}  // namespace tenure
