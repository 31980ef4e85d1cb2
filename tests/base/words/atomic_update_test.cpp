#include "base/words/atomic_update.h"

#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace tenure {
namespace {

TEST(AtomicUpdate, ReturnsBothValues) {
  std::atomic<uint32_t> cell{4};
  const auto updated =
      atomic_update(cell, [](uint32_t x) -> std::optional<uint32_t> { return x + 1; });
  ASSERT_TRUE(updated);
  EXPECT_EQ(updated->before, 4u);
  EXPECT_EQ(updated->after, 5u);
  EXPECT_EQ(cell.load(), 5u);
}

TEST(AtomicUpdate, RefusalChangesNothing) {
  std::atomic<uint32_t> cell{4};
  EXPECT_FALSE(
      atomic_update(cell, [](uint32_t) -> std::optional<uint32_t> { return std::nullopt; }));
  EXPECT_EQ(cell.load(), 4u);
}

// The transition is run again on the value that was in the way, and only its last result counts.
TEST(AtomicUpdate, RetriesOnTheNewValue) {
  std::atomic<uint32_t> cell{1};
  int runs = 0;
  const auto updated = atomic_update(cell, [&](uint32_t x) -> std::optional<uint32_t> {
    if (++runs == 1) cell.store(10);
    return x * 2;
  });
  ASSERT_TRUE(updated);
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(updated->before, 10u);
  EXPECT_EQ(cell.load(), 20u);
}

TEST(AtomicUpdate, RefusalOnRetryChangesNothing) {
  std::atomic<uint32_t> cell{1};
  const auto updated = atomic_update(cell, [&](uint32_t x) -> std::optional<uint32_t> {
    if (x == 10) return std::nullopt;
    cell.store(10);
    return x + 1;
  });
  EXPECT_FALSE(updated);
  EXPECT_EQ(cell.load(), 10u);
}

struct Pair {
  uint32_t up, down;
};

TEST(AtomicUpdate, ThreadsLoseNothing) {
  constexpr uint32_t kRounds = 50000;
  std::atomic<Pair> cell{Pair{0, 4 * kRounds}};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (uint32_t round = 0; round < kRounds; ++round) {
        atomic_update(cell, [](Pair p) -> std::optional<Pair> {
          return Pair{p.up + 1, p.down - 1};
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cell.load().up, 4 * kRounds);
  EXPECT_EQ(cell.load().down, 0u);
}

TEST(AtomicRaise, OnlyRaises) {
  std::atomic<uint64_t> cell{5};
  EXPECT_EQ(atomic_raise(cell, uint64_t{3}), 5u);
  EXPECT_EQ(cell.load(), 5u);
  EXPECT_EQ(atomic_raise(cell, uint64_t{5}), 5u);
  EXPECT_EQ(atomic_raise(cell, uint64_t{9}), 5u);
  EXPECT_EQ(cell.load(), 9u);
  uint64_t plain = 1;
  atomic_raise(std::atomic_ref(plain), uint64_t{2});
  EXPECT_EQ(plain, 2u);
}

TEST(AtomicRaise, ThreadsEndAtTheMaximum) {
  std::atomic<uint64_t> cell{0};
  std::atomic<bool> fell{false};
  std::vector<std::thread> threads;
  for (uint64_t id = 0; id < 4; ++id) {
    threads.emplace_back([&, id] {
      uint64_t highest = 0;
      for (uint64_t i = 0; i < 50000; ++i) {
        const uint64_t before = atomic_raise(cell, i * 4 + id);
        if (before < highest) fell = true;
        highest = before;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(fell);
  EXPECT_EQ(cell.load(), 49999u * 4 + 3);
}

}  // namespace
}  // namespace tenure
