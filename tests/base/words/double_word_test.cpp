#include "base/words/double_word.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace tenure {
namespace {

TEST(DoubleWord, BothHalvesMustMatch) {
  AtomicDoubleWord cell;
  EXPECT_EQ(cell.load(), (DoubleWord{0, 0}));
  EXPECT_FALSE(cell.compare_exchange({0, 1}, {5, 5}));
  EXPECT_FALSE(cell.compare_exchange({1, 0}, {5, 5}));
  EXPECT_EQ(cell.load(), (DoubleWord{0, 0}));
  EXPECT_TRUE(cell.compare_exchange({0, 0}, {UINT64_MAX, 7}));
  EXPECT_EQ(cell.load(), (DoubleWord{UINT64_MAX, 7}));
  EXPECT_TRUE(cell.compare_exchange({UINT64_MAX, 7}, {1, UINT64_MAX}));
  EXPECT_EQ(cell.load(), (DoubleWord{1, UINT64_MAX}));
}

TEST(DoubleWord, NeighboursStayUntouched) {
  struct {
    uint64_t before[2] = {1, 2};
    AtomicDoubleWord cell;
    uint64_t after[2] = {3, 4};
  } row;
  ASSERT_TRUE(row.cell.compare_exchange({0, 0}, {UINT64_MAX, UINT64_MAX}));
  EXPECT_EQ(row.before[1], 2u);
  EXPECT_EQ(row.after[0], 3u);
}

// A torn load must never be the basis of a successful exchange.
TEST(DoubleWord, ThreadsLoseNoUpdate) {
  constexpr uint64_t kFactor = 0x9e3779b97f4a7c15;
  constexpr uint64_t kRounds = 50000;
  AtomicDoubleWord cell;
  std::atomic<uint64_t> torn{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (uint64_t done = 0; done < kRounds;) {
        const DoubleWord seen = cell.load();
        if (!cell.compare_exchange(seen, {(seen.tag + 1) * kFactor, seen.tag + 1})) continue;
        if (seen.value != seen.tag * kFactor) ++torn;
        ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(torn.load(), 0u);
  EXPECT_EQ(cell.load(), (DoubleWord{4 * kRounds * kFactor, 4 * kRounds}));
}

}  // namespace
}  // namespace tenure
