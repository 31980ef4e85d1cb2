#include "base/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tenure {
namespace {

#ifndef NDEBUG
// Bit r is set while this thread holds a lock of rank r.
thread_local constinit uint8_t held_ranks = 0;
#endif

void note_locked([[maybe_unused]] LockRank rank) {
#ifndef NDEBUG
  const uint8_t bit = static_cast<uint8_t>(1u << static_cast<unsigned>(rank));
  TENURE_ASSERT(held_ranks < bit);  // Nothing of this rank or above is held.
  held_ranks = static_cast<uint8_t>(held_ranks | bit);
#endif
}

void note_unlocked([[maybe_unused]] LockRank rank) {
#ifndef NDEBUG
  held_ranks = static_cast<uint8_t>(held_ranks & ~(1u << static_cast<unsigned>(rank)));
#endif
}

void futex(std::atomic<uint32_t>& word, int operation, uint32_t value) {
  const int saved = errno;
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), operation | FUTEX_PRIVATE_FLAG, value,
          nullptr, nullptr, 0);
  errno = saved;
}

}  // namespace

// Drepper, "Futexes are tricky", mutex2: 2 means that a waiter may sleep.
void Mutex::lock() {
  uint32_t seen = 0;
  if (!state_.compare_exchange_strong(seen, 1, std::memory_order_acquire)) {
    if (seen != 2) seen = state_.exchange(2, std::memory_order_acquire);
    while (seen != 0) {
      futex(state_, FUTEX_WAIT, 2);
      seen = state_.exchange(2, std::memory_order_acquire);
    }
  }
  note_locked(rank_);
}

bool Mutex::try_lock() {
  uint32_t seen = 0;
  if (!state_.compare_exchange_strong(seen, 1, std::memory_order_acquire)) return false;
  note_locked(rank_);
  return true;
}

void Mutex::unlock() {
  note_unlocked(rank_);
  if (state_.exchange(0, std::memory_order_release) == 2) futex(state_, FUTEX_WAKE, 1);
}

}  // namespace tenure
