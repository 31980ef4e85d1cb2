// The locks of control operations (create, offline, limits). No malloc or free path takes one.
//
// Ranks give the order; debug builds check it per thread (the idea is jemalloc's witness.h). A lock may be
// taken only while every lock the thread holds has a lower rank.
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

// Whether this thread holds any lock of the library. A signal handler may ask on behalf of what it
// interrupted.
bool holds_lock();

// A futex mutex without pthread state, so that a fork child can make it anew. Not recursive, not
// async-signal-safe.
class Mutex {
public:
  explicit constexpr Mutex(LockRank rank) : rank_(rank) {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() { lock_as(rank_); }
  // For a second lock of the same rank, where the caller has an order of its own among them: counts
  // as the next rank. Given back by unlock_above(), before the first.
  void lock_above() { lock_as(above()); }
  bool try_lock();
  void unlock() { unlock_as(rank_); }
  void unlock_above() { unlock_as(above()); }
  // In a fork child: the owner, if any, does not exist any more.
  void reset_after_fork() {
    if (is_held()) state_.store(0, std::memory_order_relaxed);
  }
  bool is_held() const { return state_.load(std::memory_order_relaxed) != 0; }

private:
  LockRank above() const { return static_cast<LockRank>(static_cast<unsigned>(rank_) + 1); }
  void lock_as(LockRank rank);
  void unlock_as(LockRank rank);

  std::atomic<uint32_t> state_{0};  // 0 free, 1 held, 2 held and waited for.
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
