#include "rcu/grace.h"

#include <sched.h>

#include "base/system/check.h"
#include "base/system/system_calls.h"
#include "base/threads/thread_words.h"
#include "base/words/bits.h"

namespace tenure::grace {
namespace {

constexpr unsigned kSlots = 32;  // Spreads the readers; a power of two.

struct alignas(kCacheLine) Slot {
  std::atomic<uint64_t> entered[2]{};
  std::atomic<uint64_t> left[2]{};
};

struct ReaderSet {
  Slot slots[kSlots];
};

// The second set is only for a fork inside a section. Otherwise the first is used for ever. See after_fork_child().
constinit ReaderSet sets[2];
constinit std::atomic<uint32_t> current_set{0};  // Changed in a fork child while it has one thread.

// Starts at 1: cookie 0 has always passed, and 0 - 1 never comes up. The lowest bit is the bank in
// use.
constinit std::atomic<uint64_t> phase{1};

// Sections open in this thread. Changed before entered and after left, so it is never too small. A signal handler restores the value, so
// load and store need not be one step.
std::atomic<uint32_t>& read_depth() { return thread_words.read_depth; }

// The thread (its thread pointer) whose sections were open at fork and are counted in the set now
// out of use. While it is set, no grace period passes. Set in a fork child with one thread, cleared
// by that thread.
constinit std::atomic<void*> inherited_by{nullptr};
// A second fork inside the same section: its sections may be in either set. Grace periods never
// pass any more.
constinit bool frozen = false;

Slot& my_slot() {
  // Thread control blocks are at least pages apart. The multiplication uses all bits (Fibonacci hashing).
  const auto self = reinterpret_cast<uint64_t>(__builtin_thread_pointer());
  const uint64_t hash = (self >> 6) * 0x9e3779b97f4a7c15ULL;
  return sets[current_set.load(std::memory_order_relaxed)].slots[hash >> (64 - log2_floor(kSlots))];
}

// Whether the bank had no reader at some moment during the call.
bool bank_is_empty(unsigned bank) {
  ReaderSet& set = sets[current_set.load(std::memory_order_relaxed)];
  uint64_t left = 0, entered = 0;
  // Acquire: pairs with the release in ~ReadSection. All of these come before any read of entered.
  for (Slot& slot : set.slots) left += slot.left[bank].load(std::memory_order_acquire);
  // A read-modify-write, so that a section that enters later reads from it: pairs with
  // ReadSection().
  for (Slot& slot : set.slots)
    entered += slot.entered[bank].fetch_add(0, std::memory_order_acq_rel);
  return left == entered;
}

// The same in a fork child, which has one thread: nothing is written.
bool has_reader(const ReaderSet& set, unsigned bank) {
  uint64_t entered = 0, left = 0;
  for (const Slot& slot : set.slots) {
    entered += slot.entered[bank].load(std::memory_order_relaxed);
    left += slot.left[bank].load(std::memory_order_relaxed);
  }
  return entered != left;
}

// Tries to flip p to p + 1. False if a reader prevents it.
bool advance(uint64_t p) {
  // Acquire: pairs with ~ReadSection, so that the inherited sections' reads come before what
  // follows.
  if (inherited_by.load(std::memory_order_acquire) != nullptr) return false;
  if (!bank_is_empty((p & 1) ^ 1)) return false;
  // Release publishes the look, acquire joins those of start_poll() and of earlier flips. If the exchange fails, another thread has flipped
  // p, which has the same effect.
  phase.compare_exchange_strong(p, p + 1, std::memory_order_acq_rel);
  return true;
}

}  // namespace

ReadSection::ReadSection() {
  read_depth().store(read_depth().load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  Slot& slot = my_slot();
  const unsigned bank =
      phase.load(std::memory_order_relaxed) & 1;  // May be stale: step 3 of the proof.
  // Acquire: pairs with the look in bank_is_empty(), step 2a. Release: keeps depth before it for
  // signal handlers.
  slot.entered[bank].fetch_add(1, std::memory_order_acq_rel);
  left_ = &slot.left[bank];
}

ReadSection::~ReadSection() {
  // Release: what the section read comes before; pairs with bank_is_empty(). Acquire: keeps depth
  // behind it.
  left_->fetch_add(1, std::memory_order_acq_rel);
  const uint32_t rest = read_depth().load(std::memory_order_relaxed) - 1;
  read_depth().store(rest, std::memory_order_relaxed);
  if (rest == 0 && inherited_by.load(std::memory_order_relaxed) == __builtin_thread_pointer() &&
      !frozen) {
    // Release: what the inherited sections read comes before grace periods go on; pairs with
    // advance().
    inherited_by.store(nullptr, std::memory_order_release);
  }
}

bool in_read_section() { return read_depth().load(std::memory_order_relaxed) != 0; }

// Release and acquire by a read-modify-write: step 1 of the proof. Partner: the exchange in
// advance().
Cookie start_poll() { return phase.fetch_add(0, std::memory_order_acq_rel) + 3; }

// Acquire: pairs with the exchange in advance().
bool passed(Cookie cookie) { return phase.load(std::memory_order_acquire) >= cookie; }

bool poll(Cookie cookie) {
  for (;;) {
    const uint64_t p = phase.load(std::memory_order_acquire);
    if (p >= cookie) return true;
    if (!advance(p))
      return passed(cookie);  // Otherwise this turn has moved the phase towards the cookie.
  }
}

void synchronize() {
  TENURE_ASSERT(!in_read_section());
  const Cookie cookie = start_poll();
  for (unsigned round = 0; !poll(cookie); ++round) {
    if (round < 32) {
      sched_yield();
    } else {
      // A reader was preempted, or is in a page fault of a reclaim callback. The pause gives it the processor.
      const timespec pause{0, round < 64 ? 50 * 1000 : 1000 * 1000};
      sys::sleep(pause);
    }
  }
}

bool after_fork_child() {
  uint32_t next = current_set.load(std::memory_order_relaxed);
  bool cut_off = false;
  if (in_read_section()) {
    // It is unknown which of this thread's sections had been counted at the instant of the signal. So they stay in their set, which is not
    // changed, and grace periods wait until this thread has left them.
    if (inherited_by.load(std::memory_order_relaxed) != nullptr) frozen = true;
    inherited_by.store(__builtin_thread_pointer(), std::memory_order_relaxed);
    next ^= 1;
  } else {
    if (inherited_by.load(std::memory_order_relaxed) != nullptr)
      inherited_by.store(nullptr, std::memory_order_relaxed);
    cut_off = has_reader(sets[next], 0) || has_reader(sets[next], 1);
    if (!cut_off) return false;
  }
  if (frozen) return false;
  for (Slot& slot : sets[next].slots) {
    for (unsigned bank = 0; bank < 2; ++bank) {
      slot.entered[bank].store(0, std::memory_order_relaxed);
      slot.left[bank].store(0, std::memory_order_relaxed);
    }
  }
  current_set.store(next, std::memory_order_relaxed);
  return cut_off;
}

}  // namespace tenure::grace
