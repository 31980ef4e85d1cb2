// Room base/threads: locks, and the words that a thread has for them. It calls base/system. It promises that no malloc or free waits for a
// lock.
//
// The locks of control operations (create, offline, limits). No malloc or free path takes one.
//
// Ranks give the order. A thread may take a lock only while every lock that it holds has a lower rank. Debug builds check that per thread
// (the idea is jemalloc's witness.h).
#pragma once

#include <atomic>
#include <cstdint>

#include "base/system/check.h"

namespace tenure {

enum class LockRank : uint8_t {
  kSettings = 1,
  kTenants = 2,
  kDeferred = 3,
  kLruList = 4,
  kLruListAbove = 5,  // The list of an ancestor, taken while a list is held: lock_above().
};

// Whether this thread holds any lock of the library. In a signal handler the answer includes the interrupted code.
bool holds_lock();

// A futex mutex without pthread state, so that a fork child can reset it. Not recursive, not async-signal-safe.
class Mutex {
public:
  explicit constexpr Mutex(LockRank rank) : rank_(rank) {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() { lock_as(rank_); }
  // For a second lock of the same rank, if the caller has an order among these locks. Counts as the next rank. unlock_above() releases it,
  // before the first lock.
  void lock_above() { lock_as(above()); }
  bool try_lock();
  void unlock() { unlock_as(rank_); }
  void unlock_above() { unlock_as(above()); }
  // In a fork child: the owner, if there was one, does not exist any more.
  void reset_after_fork() {
    if (is_held()) state_.store(0, std::memory_order_relaxed);
  }
  bool is_held() const { return state_.load(std::memory_order_relaxed) != 0; }

private:
  LockRank above() const { return static_cast<LockRank>(static_cast<unsigned>(rank_) + 1); }
  void lock_as(LockRank rank);
  void unlock_as(LockRank rank);

  std::atomic<uint32_t> state_{0};  // 0 free, 1 held, 2 held with waiters.
  const LockRank rank_;
};

class MutexGuard {
public:
  explicit MutexGuard(Mutex& mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexGuard() { mutex_.unlock(); }
  MutexGuard(const MutexGuard&) = delete;
  MutexGuard& operator=(const MutexGuard&) = delete;

private:
  Mutex& mutex_;
};

}  // namespace tenure
