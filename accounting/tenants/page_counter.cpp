#include "accounting/tenants/page_counter.h"

#include "base/atomic_update.h"
#include "base/check.h"

namespace tenure {

// The halves of load() may be of different moments. The exchange compares both, so what it succeeds
// with was true at once. One failed exchange means that somebody else's succeeded or that the
// halves did not match: lock-free either way, as halves differ only when somebody changed one in
// between.
bool PageCounter::enter(uint64_t bytes, uint64_t extra, uint64_t* before) {
  for (;;) {
    const UsageWord seen = UsageWord::unpack(word_.load());
    if (!seen.admits(bytes, extra)) {
      // A torn pair must not refuse: make sure that it existed.
      if (word_.compare_exchange(seen.pack(), seen.pack())) return false;
      continue;
    }
    // Partner: set_max(). Acquire-release: nothing is read through the counter, but an uncharge
    // that makes room comes before the charge that takes it, as a reader of usage would expect.
    if (word_.compare_exchange(seen.pack(), seen.charged(bytes).pack())) {
      *before = seen.usage;
      return true;
    }
  }
}

void PageCounter::leave(uint64_t bytes) {
  for (;;) {
    const UsageWord seen = UsageWord::unpack(word_.load());
    if (seen.usage < bytes) {
      if (word_.compare_exchange(seen.pack(), seen.pack()))
        fatal("accounting: more uncharged than charged");
      continue;
    }
    if (word_.compare_exchange(seen.pack(), seen.uncharged(bytes).pack())) return;
  }
}

ChargeOutcome PageCounter::try_charge(uint64_t bytes, Allowance allowance, const PageCounter* end) {
  ChargeOutcome outcome;
  uint64_t extra[kDeepest] = {};
  unsigned levels = 0;
  for (PageCounter* counter = this; counter != end; counter = counter->parent_, ++levels) {
    TENURE_ASSERT(levels < kDeepest);
    extra[levels] = allowance(*counter);
    if (!UsageWord::unpack(counter->word_.load()).admits(bytes, extra[levels]) &&
        !counter->snapshot().admits(bytes, extra[levels])) {
      outcome.failed_at = counter;
      return outcome;
    }
  }

  uint64_t before[kDeepest];
  unsigned level = 0;
  for (PageCounter* counter = this; counter != end; counter = counter->parent_, ++level) {
    if (counter->enter(bytes, extra[level], &before[level])) continue;
    for (PageCounter* taken = this; taken != counter; taken = taken->parent_) taken->leave(bytes);
    outcome.failed_at = counter;
    return outcome;
  }

  level = 0;
  for (PageCounter* counter = this; counter != end; counter = counter->parent_, ++level) {
    const uint64_t after = before[level] + bytes;
    if (after > counter->peak_.load(std::memory_order_relaxed)) atomic_raise(counter->peak_, after);
    const uint64_t high = counter->high();
    if (before[level] <= high && after > high) outcome.crossed_high |= 1u << level;
    if (extra[level] != 0 && after > counter->max()) outcome.above_max |= 1u << level;
  }
  return outcome;
}

void PageCounter::uncharge(uint64_t bytes, const PageCounter* end) {
  for (PageCounter* counter = this; counter != end; counter = counter->parent_)
    counter->leave(bytes);
}

uint64_t PageCounter::set_max(uint64_t max) {
  for (;;) {
    const UsageWord seen = UsageWord::unpack(word_.load());
    // Partner: enter(). Whatever enters after this is checked against the new limit.
    if (word_.compare_exchange(seen.pack(), seen.limited(max).pack())) return seen.usage;
  }
}

void PageCounter::mend(uint64_t usage) {
  const UsageWord seen = UsageWord::unpack(word_.load());
  // Most are right, and their pages stay the parent's.
  if (seen.usage != usage)
    word_.compare_exchange(seen.pack(), UsageWord{usage, seen.complement}.pack());
}

UsageWord PageCounter::snapshot() {
  for (;;) {
    const UsageWord seen = UsageWord::unpack(word_.load());
    if (word_.compare_exchange(seen.pack(), seen.pack())) return seen;
  }
}

}  // namespace tenure
