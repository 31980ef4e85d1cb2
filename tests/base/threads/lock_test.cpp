#include "base/threads/lock.h"

#include <errno.h>
#include <signal.h>

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace tenure {
namespace {

TEST(Mutex, TryLockFailsWhileHeld) {
  Mutex mutex(LockRank::kTenants);
  ASSERT_TRUE(mutex.try_lock());
  std::thread([&] { EXPECT_FALSE(mutex.try_lock()); }).join();
  mutex.unlock();
  std::thread([&] {
    EXPECT_TRUE(mutex.try_lock());
    mutex.unlock();
  }).join();
}

TEST(Mutex, GuardUnlocks) {
  Mutex mutex(LockRank::kTenants);
  {
    MutexGuard guard(mutex);
    std::thread([&] { EXPECT_FALSE(mutex.try_lock()); }).join();
  }
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
}

// Counted without atomics: an overlap loses increments (and is a race that the thread sanitizer reports).
TEST(Mutex, ExcludesAndWakesEveryWaiter) {
  constexpr int kThreads = 8, kRounds = 5000;
  Mutex mutex(LockRank::kDeferred);
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < kRounds; ++round) {
        if ((round + i) % 3 != 0 || !mutex.try_lock()) mutex.lock();
        const int seen = count;
        if (round % 64 == 0) std::this_thread::yield();  // Makes others wait in the kernel.
        count = seen + 1;
        mutex.unlock();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, kThreads * kRounds);
}

TEST(Mutex, ForkChildMakesItAnew) {
  Mutex mutex(LockRank::kSettings);
  std::thread([&] { mutex.lock(); }).join();  // Its owner has gone.
  EXPECT_FALSE(mutex.try_lock());
  mutex.reset_after_fork();
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
}

TEST(Mutex, KeepsErrno) {
  Mutex mutex(LockRank::kSettings);
  errno = 4711;
  std::thread other;
  {
    MutexGuard guard(mutex);
    other = std::thread([&] { MutexGuard waits(mutex); });
  }
  EXPECT_EQ(errno, 4711);
  other.join();
}

TEST(Mutex, AThreadKnowsWhetherItHoldsOne) {
  Mutex list(LockRank::kLruList), above(LockRank::kLruList);
  EXPECT_FALSE(holds_lock());
  list.lock();
  EXPECT_TRUE(holds_lock());
  std::thread([] { EXPECT_FALSE(holds_lock()); }).join();
  above.lock_above();  // Of the same rank, in an order of the caller's.
  above.unlock_above();
  EXPECT_TRUE(holds_lock());
  std::thread([&list] {
    EXPECT_FALSE(list.try_lock());
    EXPECT_FALSE(holds_lock());
  }).join();
  list.unlock();
  EXPECT_FALSE(holds_lock());
}

TEST(Mutex, RanksMayRise) {
  Mutex low(LockRank::kSettings), middle(LockRank::kTenants), high(LockRank::kDeferred);
  MutexGuard a(low);
  {
    MutexGuard b(middle);
    MutexGuard c(high);
  }
  MutexGuard c(high);
}

#ifndef NDEBUG
void take(LockRank first, LockRank second) {
  Mutex outer(first), inner(second);
  outer.lock();
  inner.lock();
}

TEST(MutexDeathTest, RanksMustNotFall) {
  for (const LockRank second : {LockRank::kSettings, LockRank::kTenants}) {
    EXPECT_EXIT(take(LockRank::kTenants, second), testing::KilledBySignal(SIGABRT),
                "assertion failed: .*held_ranks");
  }
}
#endif

}  // namespace
}  // namespace tenure
