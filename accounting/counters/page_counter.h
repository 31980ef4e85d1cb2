// Room accounting/counters: bytes, limits, and the pure rules on them. It calls base and live. It promises that usage and limit are
// compared and changed in one step.
//
// Bytes charged at one node of the tenants' tree, and the limits on them. Lock-free, hierarchical,
// exact.
//
// Source of the idea: Linux mm/page_counter.c. Linux adds a charge first and checks it afterwards, so a large charge that fails can make a
// small one fail, and the counter reads above its limit for an instant. Here usage and limit are one 16-byte word: one step compares a
// charge with the limit and adds it.
//
// The numbers are in a record (live/counter_record.h): the counter's own, or one in the live region, where other processes may set limits.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/words/attributes.h"
#include "base/words/double_word.h"
#include "live/counter_record.h"
#include "live/own.h"

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

// In a fork child whose parent has a live region: takes a region of its own, with counters of its own (accounting/tenants/own_region).
TENURE_SLOW void take_own_region();
// Called before a thread uses counters. Usually costs one load. Async-signal-safe.
inline void ensure_own_counters() {
  if (TENURE_UNLIKELY(!live::is_ours())) take_own_region();
}

// The bytes by which each counter may exceed max for one request: 0, a published reserve, or kUnlimited. `of` is called without locks, and
// is pure except for loads. Without `of` no counter may exceed max.
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
  constexpr PageCounter() : record_(&own_) {}
  PageCounter(const PageCounter&) = delete;
  PageCounter& operator=(const PageCounter&) = delete;

  // Called before the counter is used. The parent outlives every charge and uncharge that starts here.
  void set_parent(PageCounter* parent) { parent_ = parent; }
  PageCounter* parent() const { return parent_; }
  // Called before the counter is used. From now on the numbers are in that record.
  void lie_in(CounterRecord* record) { record_.store(record, std::memory_order_relaxed); }
  // Moves the numbers back into the counter. No other thread may change them meanwhile.
  void come_home();
  // The record in the live region, or nullptr.
  CounterRecord* shown() const {
    CounterRecord* const record = record_.load(std::memory_order_relaxed);
    return record == &own_ ? nullptr : record;
  }

  // Charges `bytes` here and at every ancestor below `end` (nullptr: all), or nowhere.
  //
  // At no instant does any counter on the way read above its max (plus `allowance`, if given). A refused charge leaves no trace. It looks
  // at all levels before it changes any, so it usually touches none. If a race defeats the look, the charge takes back the bytes that it
  // added below. Peaks are raised only after success. A charge that is taken back can make another charge fail that would just have fitted,
  // but never lets one pass.
  //
  // Races with set_max(): both are one compare-and-swap of {usage, max}, so they are ordered. A charge is compared with the limit of the
  // instant at which it enters. Lock-free, async-signal-safe. The caller has called ensure_own_counters() before its read section.
  ChargeOutcome try_charge(uint64_t bytes, Allowance allowance = {},
                           const PageCounter* end = nullptr);

  // Subtracts `bytes` from this counter and every ancestor below `end`. The bytes were charged here, or at a descendant from which they
  // moved here. Lock-free, async-signal-safe. A counter that would fall below zero is corruption, and the process aborts. A counter in the
  // live region may have been changed from outside, so it becomes zero. The caller has called ensure_own_counters().
  void uncharge(uint64_t bytes, const PageCounter* end = nullptr);

  // After the return, no charge passes that leads above the new limit. Existing charges stay. Returns the usage at that instant; if it is
  // above `max`, the caller reclaims. Partner: try_charge(). Callers need no lock.
  uint64_t set_max(uint64_t max);

  // In a fork child with one thread: corrects operations that vanished threads had half done.
  void mend(uint64_t usage);
  // In a fork child that takes a live region of its own: restores the limits that this process has set itself, if the parent has given the
  // slot to another tenant by now.
  void restore_limits();

  // Plain loads of values that other threads may change at any time.
  uint64_t usage() const { return record().word.load().value; }
  uint64_t max() const { return ~record().word.load().tag; }
  // Usage and max of one and the same instant.
  UsageWord snapshot();
  // The highest usage that a successful charge has reached since creation or reset.
  uint64_t peak() const { return record().peak.load(std::memory_order_relaxed); }
  void reset_peak() { reset_peak(usage()); }
  void reset_peak(uint64_t bytes) { record().peak.store(bytes, std::memory_order_relaxed); }
  // Requests refused because of this counter's max.
  uint64_t failures() const { return record().failures.load(std::memory_order_relaxed); }
  void count_failure() { record().failures.fetch_add(1, std::memory_order_relaxed); }
  uint64_t events(unsigned kind) const {
    return record().events[kind].load(std::memory_order_relaxed);
  }
  void count_event(unsigned kind) { record().events[kind].fetch_add(1, std::memory_order_relaxed); }

  uint64_t min() const { return record().min.load(std::memory_order_relaxed); }
  uint64_t low() const { return record().low.load(std::memory_order_relaxed); }
  uint64_t high() const { return ~record().high_complement.load(std::memory_order_relaxed); }
  uint64_t oom() const { return record().oom.load(std::memory_order_relaxed); }
  void set_min(uint64_t bytes) { set(&CounterRecord::min, bytes); }
  void set_low(uint64_t bytes) { set(&CounterRecord::low, bytes); }
  void set_high(uint64_t bytes) { set(&CounterRecord::high_complement, ~bytes); }
  // Policy and reserve (live::pack_oom).
  void set_policy(uint64_t policy);
  void set_reserve(uint64_t bytes);

private:
  using Setting = std::atomic<uint64_t> CounterRecord::*;

  // The place of the numbers. `record` first ensures that they are this process's own.
  CounterRecord& raw() const { return *record_.load(std::memory_order_relaxed); }
  CounterRecord& record() const {
    ensure_own_counters();
    return raw();
  }
  bool is_shown() const { return record_.load(std::memory_order_relaxed) != &own_; }
  void set(Setting setting, uint64_t value);

  bool enter(uint64_t bytes, uint64_t extra, uint64_t* before);
  void leave(uint64_t bytes);

  // If the numbers are in the live region, this record still has the settings that this process has made itself.
  [[no_unique_address]] CounterRecord own_;
  // Changed before the counter is used: relaxed.
  std::atomic<CounterRecord*> record_;
  PageCounter* parent_ = nullptr;  // Constant after set_parent().
};

}  // namespace tenure
