#include "base/threads/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/threads/thread_words.h"

namespace tenure {
namespace {

// Bit r of held_ranks is set while this thread holds a lock of rank r. Volatile: a signal handler that interrupted lock_as() may call
// holds_lock().
constexpr uint8_t bit_of(LockRank rank) {
  return static_cast<uint8_t>(1u << static_cast<unsigned>(rank));
}

// Sets the bit before the lock is taken, and clears it after the lock is free, so that holds_lock() never misses a lock.
void note_locking(LockRank rank) {
  TENURE_ASSERT(thread_words.held_ranks < bit_of(rank));  // No lock of this rank or above is held.
  thread_words.held_ranks = static_cast<uint8_t>(thread_words.held_ranks | bit_of(rank));
}

void note_unlocked(LockRank rank) {
  thread_words.held_ranks = static_cast<uint8_t>(thread_words.held_ranks & ~bit_of(rank));
}

void futex(std::atomic<uint32_t>& word, int operation, uint32_t value) {
  const int saved = errno;
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), operation | FUTEX_PRIVATE_FLAG, value,
          nullptr, nullptr, 0);
  errno = saved;
}

}  // namespace

bool holds_lock() { return thread_words.held_ranks != 0; }

// Drepper, "Futexes are tricky", mutex2: 2 means that a waiter may sleep.
void Mutex::lock_as(LockRank rank) {
  note_locking(rank);
  uint32_t seen = 0;
  if (!state_.compare_exchange_strong(seen, 1, std::memory_order_acquire)) {
    if (seen != 2) seen = state_.exchange(2, std::memory_order_acquire);
    while (seen != 0) {
      futex(state_, FUTEX_WAIT, 2);
      seen = state_.exchange(2, std::memory_order_acquire);
    }
  }
}

bool Mutex::try_lock() {
  const uint8_t before = thread_words.held_ranks;
  thread_words.held_ranks = static_cast<uint8_t>(before | bit_of(rank_));
  uint32_t seen = 0;
  if (!state_.compare_exchange_strong(seen, 1, std::memory_order_acquire)) {
    thread_words.held_ranks = before;
    return false;
  }
  TENURE_ASSERT(before < bit_of(rank_));
  return true;
}

void Mutex::unlock_as(LockRank rank) {
  if (state_.exchange(0, std::memory_order_release) == 2) futex(state_, FUTEX_WAKE, 1);
  note_unlocked(rank);
}

}  // namespace tenure
