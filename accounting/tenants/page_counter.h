// Bytes charged at one node of the tenants' tree, and the limits on them. Lock-free, hierarchical,
// exact.
//
// Source of the idea: Linux mm/page_counter.c. There a charge is added first and checked after, so
// a large one that fails can lock out a small one, and the counter reads above its limit for an
// instant. Here usage and limit are one 16-byte word: a charge enters a counter in the same step in
// which it is compared with the limit.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/double_word.h"

namespace tenure {

constexpr uint64_t kUnlimited = UINT64_MAX;
// Levels of the tree, root included. Bounds every walk to the root.
constexpr unsigned kDeepest = 32;

// Usage and limit of one moment, and the pure transitions on them. The limit is stored as its
// complement, so that zeroed memory is an unlimited counter.
struct UsageWord {
  uint64_t usage = 0;
  uint64_t complement = 0;

  static UsageWord unpack(DoubleWord word) { return {word.value, word.tag}; }
  DoubleWord pack() const { return {usage, complement}; }
  uint64_t max() const { return ~complement; }

  // Whether `bytes` more stay within max + extra (saturating).
  bool admits(uint64_t bytes, uint64_t extra) const {
    const uint64_t allowed = max() > kUnlimited - extra ? kUnlimited : max() + extra;
    return bytes <= allowed && usage <= allowed - bytes;
  }
  UsageWord charged(uint64_t bytes) const { return {usage + bytes, complement}; }
  UsageWord uncharged(uint64_t bytes) const { return {usage - bytes, complement}; }
  UsageWord limited(uint64_t max) const { return {usage, ~max}; }
};

class PageCounter;

// How far above max each counter may go for one request: 0, a published reserve, or kUnlimited.
// `of` is called without locks, and is pure but for loads. Without it no counter may.
struct Allowance {
  uint64_t (*of)(const PageCounter& counter, const void* request) = nullptr;
  const void* request = nullptr;

  uint64_t operator()(const PageCounter& counter) const { return of ? of(counter, request) : 0; }
};

struct ChargeOutcome {
  PageCounter* failed_at = nullptr;  // The first counter that refused; nullptr: charged everywhere.
  // Bit i: this charge took the counter i levels above the first from at most high to above it, or
  // left it above max.
  uint32_t crossed_high = 0;
  uint32_t above_max = 0;
};

class alignas(16) PageCounter {
public:
  constexpr PageCounter() = default;
  PageCounter(const PageCounter&) = delete;
  PageCounter& operator=(const PageCounter&) = delete;

  // Before the counter is used. The parent outlives every charge and uncharge that starts here.
  void set_parent(PageCounter* parent) { parent_ = parent; }
  PageCounter* parent() const { return parent_; }

  // Charges `bytes` here and at every ancestor below `end` (nullptr: all), or nowhere.
  //
  // At no instant does any counter on the way read above its max (plus `allowance`, if given). A
  // refused charge leaves no trace: levels are looked at before any is changed, so that usually
  // none is touched; where a race defeats the look, what was charged below is taken back, and peaks
  // are raised only after success. Such a taken-back charge can make another fail that would just
  // have fitted, never let one pass.
  //
  // Races with set_max(): both are one compare-and-swap of {usage, max}, so they are ordered: a
  // charge is checked against the limit that stands at the instant it enters. Lock-free,
  // async-signal-safe.
  ChargeOutcome try_charge(uint64_t bytes, Allowance allowance = {},
                           const PageCounter* end = nullptr);

  // Takes `bytes` charged here, or charged at a descendant from which they came to be held here,
  // from this counter and every ancestor below `end`. Lock-free, async-signal-safe. A counter that would fall
  // below zero is corruption: aborts.
  void uncharge(uint64_t bytes, const PageCounter* end = nullptr);

  // From when this returns, no charge passes that leads above the new limit; what is already
  // charged stays. Returns the usage at that instant: above `max`, the caller reclaims. Partner:
  // try_charge(). Callers need no lock.
  uint64_t set_max(uint64_t max);

  // In a fork child with one thread: what threads that are gone had done by halves is set right.
  void mend(uint64_t usage);

  // Plain loads of values that change under the reader's eyes.
  uint64_t usage() const { return word_.load().value; }
  uint64_t max() const { return ~word_.load().tag; }
  // Usage and max of one and the same instant.
  UsageWord snapshot();
  // The highest usage a successful charge has seen since creation or reset.
  uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }
  void reset_peak() { reset_peak(usage()); }
  void reset_peak(uint64_t bytes) { peak_.store(bytes, std::memory_order_relaxed); }
  // Requests refused because of this counter's max.
  uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }
  void count_failure() { failures_.fetch_add(1, std::memory_order_relaxed); }

  // Settings that bind nothing but later decisions: relaxed, as nothing is published with them.
  uint64_t min() const { return min_.load(std::memory_order_relaxed); }
  uint64_t low() const { return low_.load(std::memory_order_relaxed); }
  uint64_t high() const { return ~high_complement_.load(std::memory_order_relaxed); }
  void set_min(uint64_t bytes) { min_.store(bytes, std::memory_order_relaxed); }
  void set_low(uint64_t bytes) { low_.store(bytes, std::memory_order_relaxed); }
  void set_high(uint64_t bytes) { high_complement_.store(~bytes, std::memory_order_relaxed); }

private:
  bool enter(uint64_t bytes, uint64_t extra, uint64_t* before);
  void leave(uint64_t bytes);

  AtomicDoubleWord word_;  // UsageWord, changed by compare-and-swap.
  std::atomic<uint64_t> peak_{0};
  std::atomic<uint64_t> min_{0};
  std::atomic<uint64_t> low_{0};
  std::atomic<uint64_t> high_complement_{0};
  std::atomic<uint64_t> failures_{0};
  PageCounter* parent_ = nullptr;  // Constant after set_parent().
};

static_assert(sizeof(PageCounter) == 64);

}  // namespace tenure
