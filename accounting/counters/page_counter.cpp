#include "accounting/counters/page_counter.h"

#include "base/system/check.h"
#include "base/words/atomic_update.h"
#include "live/region.h"

namespace tenure {

// The halves of load() may be of different moments. The exchange compares both, so a successful exchange has seen a pair that existed. A
// failed exchange means that another thread's exchange succeeded, or that the halves did not match. The loop is lock-free in both cases,
// because halves differ only if another thread changed one in between.
bool PageCounter::enter(uint64_t bytes, uint64_t extra, uint64_t* before) {
  AtomicDoubleWord& word = raw().word;
  for (;;) {
    const UsageWord seen = UsageWord::unpack(word.load());
    if (!seen.admits(bytes, extra)) {
      // A torn pair must not refuse the charge. The exchange ensures that the pair existed.
      if (word.compare_exchange(seen.pack(), seen.pack())) return false;
      continue;
    }
    // Partner: set_max(). Acquire-release: nothing is read through the counter, but an uncharge
    // that makes room comes before the charge that takes it, as a reader of usage would expect.
    if (word.compare_exchange(seen.pack(), seen.charged(bytes).pack())) {
      *before = seen.usage;
      return true;
    }
  }
}

void PageCounter::leave(uint64_t bytes) {
  AtomicDoubleWord& word = raw().word;
  for (;;) {
    const UsageWord seen = UsageWord::unpack(word.load());
    if (seen.usage < bytes) {
      // A mistake of the library, or, in the live region, of another process.
      const uint64_t left = is_shown() ? 0 : seen.usage;
      if (!word.compare_exchange(seen.pack(), UsageWord{left, seen.complement}.pack())) continue;
      if (!is_shown()) fatal("accounting: more uncharged than charged");
      live::note_spoiled();
      return;
    }
    if (word.compare_exchange(seen.pack(), seen.uncharged(bytes).pack())) return;
  }
}

ChargeOutcome PageCounter::try_charge(uint64_t bytes, Allowance allowance, const PageCounter* end) {
  ChargeOutcome outcome;
  uint64_t extra
      [kDeepest];  // Written below up to `levels`. Clearing all would cost a tenth of a charge.
  unsigned levels = 0;
  for (PageCounter* counter = this; counter != end; counter = counter->parent_, ++levels) {
    TENURE_ASSERT(levels < kDeepest);
    extra[levels] = allowance(*counter);
    if (!UsageWord::unpack(counter->raw().word.load()).admits(bytes, extra[levels]) &&
        !counter->snapshot().admits(bytes, extra[levels])) {
      outcome.failed_at = counter;
      return outcome;
    }
  }

  uint64_t before[kDeepest];
  unsigned level = 0;
  for (PageCounter* counter = this; counter != end; counter = counter->parent_, ++level) {
    // The loop above has written it: both walk the same levels. NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage)
    if (counter->enter(bytes, extra[level], &before[level])) continue;
    for (PageCounter* taken = this; taken != counter; taken = taken->parent_) taken->leave(bytes);
    outcome.failed_at = counter;
    return outcome;
  }

  level = 0;
  for (PageCounter* counter = this; counter != end; counter = counter->parent_, ++level) {
    const uint64_t after = before[level] + bytes;
    CounterRecord& record = counter->raw();
    if (after > record.peak.load(std::memory_order_relaxed)) atomic_raise(record.peak, after);
    const uint64_t high = ~record.high_complement.load(std::memory_order_relaxed);
    if (before[level] <= high && after > high) outcome.crossed_high |= 1u << level;
    if (extra[level] != 0 && after > ~record.word.load().tag) outcome.above_max |= 1u << level;
  }
  return outcome;
}

void PageCounter::uncharge(uint64_t bytes, const PageCounter* end) {
  for (PageCounter* counter = this; counter != end; counter = counter->parent_)
    counter->leave(bytes);
}

uint64_t PageCounter::set_max(uint64_t max) {
  AtomicDoubleWord& word = record().word;
  if (is_shown()) own_.word.compare_exchange(own_.word.load(), UsageWord{}.limited(max).pack());
  for (;;) {
    const UsageWord seen = UsageWord::unpack(word.load());
    // Partner: enter(). Every later charge is compared with the new limit.
    if (word.compare_exchange(seen.pack(), seen.limited(max).pack())) return seen.usage;
  }
}

void PageCounter::set(Setting setting, uint64_t value) {
  (own_.*setting).store(value, std::memory_order_relaxed);
  (record().*setting).store(value, std::memory_order_relaxed);
}

void PageCounter::set_policy(uint64_t policy) {
  const auto changed = [policy](uint64_t oom) -> std::optional<uint64_t> {
    return live::pack_oom(policy, live::reserve_of(oom));
  };
  atomic_update(record().oom, changed);
  if (is_shown()) atomic_update(own_.oom, changed);
}

void PageCounter::set_reserve(uint64_t bytes) {
  const auto changed = [bytes](uint64_t oom) -> std::optional<uint64_t> {
    return live::pack_oom(live::policy_of(oom), bytes);
  };
  atomic_update(record().oom, changed);
  if (is_shown()) atomic_update(own_.oom, changed);
}

void PageCounter::mend(uint64_t usage) {
  AtomicDoubleWord& word = raw().word;
  const UsageWord seen = UsageWord::unpack(word.load());
  // Most counters are right, and their pages stay shared with the parent.
  if (seen.usage != usage)
    word.compare_exchange(seen.pack(), UsageWord{usage, seen.complement}.pack());
}

namespace {

void copy_limits(const CounterRecord& from, CounterRecord& to) {
  const DoubleWord seen = to.word.load();
  to.word.compare_exchange(seen, {seen.value, from.word.load().tag});
  for (const auto setting : {&CounterRecord::min, &CounterRecord::low,
                             &CounterRecord::high_complement, &CounterRecord::oom})
    (to.*setting).store((from.*setting).load(std::memory_order_relaxed), std::memory_order_relaxed);
}

}  // namespace

void PageCounter::restore_limits() { copy_limits(own_, raw()); }

void PageCounter::come_home() {
  CounterRecord& from = raw();
  if (&from == &own_) return;
  copy_limits(from, own_);
  own_.word.compare_exchange(own_.word.load(), from.word.load());
  for (const auto count : {&CounterRecord::peak, &CounterRecord::failures})
    (own_.*count).store((from.*count).load(std::memory_order_relaxed), std::memory_order_relaxed);
  for (unsigned i = 0; i < live::kEvents; ++i)
    own_.events[i].store(from.events[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
  record_.store(&own_, std::memory_order_release);
}

UsageWord PageCounter::snapshot() {
  AtomicDoubleWord& word = record().word;
  for (;;) {
    const UsageWord seen = UsageWord::unpack(word.load());
    if (word.compare_exchange(seen.pack(), seen.pack())) return seen;
  }
}

}  // namespace tenure
