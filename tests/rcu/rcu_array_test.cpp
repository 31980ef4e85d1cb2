#include "rcu/rcu_array.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "rcu/deferred.h"
#include "tests/rcu/metadata.h"

namespace tenure {
namespace {

struct Thing {
  uint32_t id;
};

class RcuArrayTest : public ::testing::Test {
protected:
  void SetUp() override {
    have_metadata();
    deferred::flush();
    before_ = meta_arena.in_use();
  }
  Thing* load(uint32_t id) {
    grace::ReadSection section;
    return array_.load(id);
  }
  void expect_all_returned() {
    array_.destroy();
    deferred::flush();
    EXPECT_EQ(meta_arena.in_use(), before_);
  }
  RcuArray<Thing> array_;
  size_t before_ = 0;
};

TEST(LeafEntry, Transitions) {
  alignas(64) static char leaf[64];
  const LeafEntry empty;
  EXPECT_EQ(empty.leaf(), nullptr);
  EXPECT_EQ(empty.live(), 0u);
  EXPECT_FALSE(empty.frozen());
  const LeafEntry one = LeafEntry::of(leaf, 1);
  EXPECT_EQ(one.leaf(), leaf);
  EXPECT_EQ(one.with_live(64).live(), 64u);
  EXPECT_EQ(one.with_live(64).leaf(), leaf);
  const LeafEntry frozen{one.word | LeafEntry::kFrozen};
  EXPECT_TRUE(frozen.frozen());
  EXPECT_EQ(frozen.leaf(), leaf);
  EXPECT_EQ(frozen.live(), 1u);
  EXPECT_EQ(frozen.thawed().word, one.word);
}

TEST_F(RcuArrayTest, EmptyArrayHasNothingAndCostsNothing) {
  EXPECT_EQ(load(0), nullptr);
  EXPECT_EQ(load(1u << 30), nullptr);
  EXPECT_EQ(array_.bytes(), 0u);
  Thing thing{3};
  EXPECT_FALSE(array_.clear_if(3, &thing));
  EXPECT_TRUE(array_.validate());
  expect_all_returned();
}

TEST_F(RcuArrayTest, FirstPublisherWins) {
  Thing a{5}, b{5};
  EXPECT_EQ(array_.publish(5, &a), &a);
  EXPECT_EQ(array_.publish(5, &b), &a);
  EXPECT_EQ(load(5), &a);
  EXPECT_FALSE(array_.clear_if(5, &b));
  EXPECT_EQ(load(5), &a);
  EXPECT_TRUE(array_.clear_if(5, &a));
  EXPECT_FALSE(array_.clear_if(5, &a));
  EXPECT_EQ(load(5), nullptr);
  EXPECT_EQ(array_.publish(5, &b), &b);
  EXPECT_TRUE(array_.validate());
  EXPECT_TRUE(array_.clear_if(5, &b));
  expect_all_returned();
}

TEST_F(RcuArrayTest, GrowsAndKeepsWhatIsThere) {
  std::vector<Thing> things(5000);
  for (uint32_t id = 0; id < 5000; ++id) {
    things[id].id = id;
    ASSERT_EQ(array_.publish(id, &things[id]), &things[id]);
  }
  EXPECT_TRUE(array_.validate());
  for (uint32_t id = 0; id < 5000; ++id) ASSERT_EQ(load(id), &things[id]);
  uint32_t expected = 0;
  array_.for_each([&](uint32_t id, Thing* thing) {
    EXPECT_EQ(id, expected);
    EXPECT_EQ(thing->id, expected++);
    return true;
  });
  EXPECT_EQ(expected, 5000u);
  for (uint32_t id = 0; id < 5000; ++id) ASSERT_TRUE(array_.clear_if(id, &things[id]));
  deferred::flush();
  // All leaves are gone; only the directory stays.
  EXPECT_LE(array_.bytes(), 1024u);
  expect_all_returned();
}

TEST_F(RcuArrayTest, SparseIdsCostALeafEach) {
  Thing a{1}, b{1000000};
  EXPECT_EQ(array_.publish(1, &a), &a);
  EXPECT_EQ(array_.publish(1000000, &b), &b);
  EXPECT_EQ(load(1), &a);
  EXPECT_EQ(load(1000000), &b);
  EXPECT_EQ(load(999999), nullptr);
  EXPECT_LT(array_.bytes(), 300u * 1024);
  expect_all_returned();
}

TEST_F(RcuArrayTest, MemoryFollowsLiveIdsNotHowManyEverLived) {
  Thing thing{7};
  for (int round = 0; round < 20; ++round) {
    array_.publish(7, &thing);
    array_.clear_if(7, &thing);
  }
  deferred::flush();
  const size_t once = meta_arena.in_use();
  for (int round = 0; round < 10000; ++round) {
    ASSERT_EQ(array_.publish(7, &thing), &thing);
    ASSERT_TRUE(array_.clear_if(7, &thing));
    deferred::drain();
  }
  deferred::flush();
  EXPECT_EQ(meta_arena.in_use(), once);
  expect_all_returned();
}

// Publishers, clearers and readers while the directory grows under them.
TEST_F(RcuArrayTest, StressAgainstGrowth) {
  constexpr uint32_t kIds = 3000;
  constexpr int kThreads = 4;
  static std::vector<Thing> things(kIds * kThreads);
  std::atomic<long> bad{0}, published{0}, cleared{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int i = 0; i < 30000; ++i) {
        // The range widens, so growth happens throughout.
        const uint32_t id = random() % (1 + kIds * static_cast<uint32_t>(i) / 30000);
        Thing* mine = &things[id * kThreads + static_cast<uint32_t>(t)];
        mine->id = id;
        grace::ReadSection section;
        switch (random() % 3) {
        case 0:
          if (array_.publish(id, mine) == mine) published.fetch_add(1);
          break;
        case 1:
          if (array_.clear_if(id, mine)) cleared.fetch_add(1);
          break;
        default:
          if (Thing* seen = array_.load(id)) {
            if (static_cast<uint32_t>(seen - things.data()) / kThreads != id) bad.fetch_add(1);
          }
        }
      }
    });
  }
  std::atomic<bool> stop{false};
  std::thread drainer([&] {
    while (!stop) {
      deferred::drain();
      std::this_thread::yield();
    }
  });
  for (auto& thread : threads) thread.join();
  stop = true;
  drainer.join();
  EXPECT_EQ(bad.load(), 0);
  EXPECT_TRUE(array_.validate());
  long left = 0;
  array_.for_each([&](uint32_t, Thing*) { return ++left != 0; });
  // A publish of what is already there also reports success, but takes no slot.
  EXPECT_LE(left, published.load() - cleared.load());
  for (Thing& thing : things) {
    array_.clear_if(static_cast<uint32_t>(&thing - things.data()) / kThreads, &thing);
  }
  EXPECT_TRUE(array_.validate());
  deferred::flush();
  EXPECT_LE(array_.bytes(), 1024u);
  expect_all_returned();
}

}  // namespace
}  // namespace tenure
