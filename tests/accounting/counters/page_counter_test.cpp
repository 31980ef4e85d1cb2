#include "accounting/counters/page_counter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace tenure {
namespace {

TEST(UsageWord, Transitions) {
  const UsageWord zero;
  EXPECT_EQ(zero.max(), kUnlimited);
  EXPECT_TRUE(zero.admits(kUnlimited, 0));
  const UsageWord limited = zero.limited(100).charged(60);
  EXPECT_EQ(limited.usage, 60u);
  EXPECT_EQ(limited.max(), 100u);
  EXPECT_TRUE(limited.admits(40, 0));
  EXPECT_FALSE(limited.admits(41, 0));
  EXPECT_TRUE(limited.admits(41, 1));
  EXPECT_TRUE(limited.admits(1u << 30, kUnlimited));
  EXPECT_FALSE(limited.admits(UINT64_MAX, 0));
  EXPECT_EQ(limited.uncharged(60).usage, 0u);
  const UsageWord lowered = limited.limited(10);
  EXPECT_EQ(lowered.usage, 60u);
  EXPECT_FALSE(lowered.admits(1, 0));
  EXPECT_FALSE(lowered.admits(1, 50));
  EXPECT_TRUE(lowered.admits(1, 51));
  EXPECT_EQ(UsageWord::unpack(limited.pack()).usage, limited.usage);
  EXPECT_EQ(UsageWord::unpack(limited.pack()).max(), limited.max());
}

struct Family {
  PageCounter root, middle, leaf, sibling;
  Family() {
    middle.set_parent(&root);
    leaf.set_parent(&middle);
    sibling.set_parent(&middle);
  }
};

TEST(PageCounter, ChargesEveryLevel) {
  Family f;
  EXPECT_EQ(f.leaf.try_charge(10).failed_at, nullptr);
  EXPECT_EQ(f.sibling.try_charge(5).failed_at, nullptr);
  EXPECT_EQ(f.leaf.usage(), 10u);
  EXPECT_EQ(f.sibling.usage(), 5u);
  EXPECT_EQ(f.middle.usage(), 15u);
  EXPECT_EQ(f.root.usage(), 15u);
  f.leaf.uncharge(4);
  EXPECT_EQ(f.leaf.usage(), 6u);
  EXPECT_EQ(f.root.usage(), 11u);
  EXPECT_EQ(f.root.peak(), 15u);
  EXPECT_EQ(f.leaf.peak(), 10u);
  f.leaf.reset_peak();
  EXPECT_EQ(f.leaf.peak(), 6u);
}

TEST(PageCounter, RefusalLeavesNoTrace) {
  Family f;
  EXPECT_EQ(f.middle.set_max(100), 0u);
  EXPECT_EQ(f.leaf.try_charge(90).failed_at, nullptr);
  const ChargeOutcome refused = f.sibling.try_charge(11);
  EXPECT_EQ(refused.failed_at, &f.middle);
  EXPECT_EQ(f.sibling.usage(), 0u);
  EXPECT_EQ(f.sibling.peak(), 0u);
  EXPECT_EQ(f.middle.usage(), 90u);
  EXPECT_EQ(f.middle.peak(), 90u);
  EXPECT_EQ(f.root.usage(), 90u);
  EXPECT_EQ(f.sibling.try_charge(10).failed_at, nullptr);
  EXPECT_EQ(f.middle.usage(), 100u);
}

TEST(PageCounter, NamesTheLowestLevelThatRefuses) {
  Family f;
  f.root.set_max(10);
  f.leaf.set_max(5);
  EXPECT_EQ(f.leaf.try_charge(6).failed_at, &f.leaf);
  EXPECT_EQ(f.sibling.try_charge(11).failed_at, &f.root);
  EXPECT_EQ(f.leaf.try_charge(UINT64_MAX).failed_at, &f.leaf);
}

TEST(PageCounter, MaxBelowUsageStopsNewChargesOnly) {
  PageCounter counter;
  EXPECT_EQ(counter.try_charge(100).failed_at, nullptr);
  EXPECT_EQ(counter.set_max(40), 100u);
  EXPECT_EQ(counter.usage(), 100u);
  EXPECT_EQ(counter.try_charge(1).failed_at, &counter);
  counter.uncharge(61);
  EXPECT_EQ(counter.try_charge(1).failed_at, nullptr);
  EXPECT_EQ(counter.try_charge(1).failed_at, &counter);
  EXPECT_EQ(counter.set_max(kUnlimited), 40u);
  EXPECT_EQ(counter.try_charge(1000).failed_at, nullptr);
}

TEST(PageCounter, ReserveBoundsTheOverdraw) {
  PageCounter counter;
  counter.set_max(100);
  const Allowance reserve{[](const PageCounter&, const void*) -> uint64_t { return 20; }};
  EXPECT_EQ(counter.try_charge(100, reserve).above_max, 0u);
  const ChargeOutcome overdrawn = counter.try_charge(20, reserve);
  EXPECT_EQ(overdrawn.failed_at, nullptr);
  EXPECT_EQ(overdrawn.above_max, 1u);
  EXPECT_EQ(counter.try_charge(1, reserve).failed_at, &counter);
  EXPECT_EQ(counter.usage(), 120u);
}

TEST(PageCounter, ReportsTheCrossingOfHighOnce) {
  Family f;
  f.middle.set_high(50);
  EXPECT_EQ(f.leaf.try_charge(50).crossed_high, 0u);
  EXPECT_EQ(f.leaf.try_charge(1).crossed_high, 2u);
  EXPECT_EQ(f.leaf.try_charge(1).crossed_high, 0u);
  f.leaf.uncharge(10);
  EXPECT_EQ(f.sibling.try_charge(10).crossed_high, 2u);
}

TEST(PageCounterDeathTest, UnchargingMoreThanChargedAborts) {
  PageCounter counter;
  EXPECT_EQ(counter.try_charge(10).failed_at, nullptr);
  EXPECT_DEATH(counter.uncharge(11), "more uncharged than charged");
}

// At no instant above max, at any level; zero in the end.
TEST(PageCounter, StressNeverAboveMax) {
  Family f;
  f.root.set_max(3000);
  f.middle.set_max(2000);
  f.leaf.set_max(1500);
  f.sibling.set_max(1500);
  std::atomic<bool> stop{false};
  std::atomic<long> bad{0}, refused{0};
  std::thread watcher([&] {
    while (!stop) {
      for (PageCounter* counter : {&f.root, &f.middle, &f.leaf, &f.sibling}) {
        if (counter->usage() > counter->max()) bad.fetch_add(1);
        if (counter->peak() > counter->max()) bad.fetch_add(1);
      }
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      PageCounter& mine = t % 2 ? f.leaf : f.sibling;
      std::vector<uint64_t> held;
      for (int i = 0; i < 50000; ++i) {
        if (random() % 2 || held.empty()) {
          const uint64_t bytes = 1 + random() % 700;
          if (mine.try_charge(bytes).failed_at == nullptr) {
            held.push_back(bytes);
          } else {
            refused.fetch_add(1);
          }
        } else {
          mine.uncharge(held.back());
          held.pop_back();
        }
      }
      for (uint64_t bytes : held) mine.uncharge(bytes);
    });
  }
  for (auto& thread : threads) thread.join();
  stop = true;
  watcher.join();
  EXPECT_EQ(bad.load(), 0);
  EXPECT_GT(refused.load(), 0);
  for (PageCounter* counter : {&f.root, &f.middle, &f.leaf, &f.sibling})
    EXPECT_EQ(counter->usage(), 0u);
}

// The limit moves while threads charge: from the return of set_max(m), usage never rises above m.
TEST(PageCounter, StressChargesAgainstMovingMax) {
  PageCounter counter;
  counter.set_max(1000);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      uint64_t held = 0;
      while (!stop) {
        const uint64_t bytes = 1 + random() % 400;
        if (counter.try_charge(bytes).failed_at == nullptr) held += bytes;
        if (random() % 3 == 0 && held != 0) {
          counter.uncharge(held);
          held = 0;
        }
      }
      if (held != 0) counter.uncharge(held);
    });
  }
  std::mt19937 random(99);
  long bad = 0;
  for (int i = 0; i < 20000; ++i) {
    const uint64_t max = random() % 2000;
    const uint64_t at_change = counter.set_max(max);
    // Above the limit only by what was there when it was set, and that only shrinks.
    uint64_t bound = at_change > max ? at_change : max;
    for (int look = 0; look < 5; ++look) {
      const uint64_t usage = counter.usage();
      if (usage > bound) ++bad;
      if (usage > max) bound = usage < bound ? usage : bound;
      if (usage <= max) bound = max;
    }
    const UsageWord both = counter.snapshot();
    if (both.max() != max) ++bad;
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(bad, 0);
  EXPECT_EQ(counter.usage(), 0u);
}

}  // namespace
}  // namespace tenure
