#include "rcu/deferred.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "tests/rcu/metadata.h"

namespace tenure {
namespace {

struct Counted {
  DeferredItem item;
  std::atomic<int>* runs;
};

void count(DeferredItem* item) { reinterpret_cast<Counted*>(item)->runs->fetch_add(1); }

TEST(Deferred, RunsOnceAfterTheGracePeriod) {
  std::atomic<int> runs{0};
  Counted object{{}, &runs};
  std::optional<grace::ReadSection> reader(std::in_place);
  deferred::defer(object.item, count);
  EXPECT_EQ(deferred::pending(), 1u);
  EXPECT_EQ(deferred::drain(), 0u);
  EXPECT_EQ(deferred::drain(), 0u);
  EXPECT_EQ(runs, 0);
  reader.reset();
  EXPECT_EQ(deferred::drain(), 1u);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(deferred::drain(), 0u);
  EXPECT_EQ(deferred::pending(), 0u);
}

TEST(Deferred, RipeItemsRunThoughYoungerOnesMustWait) {
  std::atomic<int> runs{0};
  Counted old{{}, &runs}, young{{}, &runs};
  deferred::defer(old.item, count);
  EXPECT_TRUE(grace::poll(old.item.cookie));
  std::optional<grace::ReadSection> reader(std::in_place);
  deferred::defer(young.item, count);
  EXPECT_EQ(deferred::drain(), 1u);
  EXPECT_EQ(deferred::pending(), 1u);
  reader.reset();
  EXPECT_EQ(deferred::drain(), 1u);
  EXPECT_EQ(runs, 2);
}

TEST(Deferred, FlushRunsWhatCallbacksDefer) {
  struct Chain {
    DeferredItem item;
    Chain* next;
    std::atomic<int>* runs;
  };
  std::atomic<int> runs{0};
  static void (*step)(DeferredItem*) = [](DeferredItem* item) {
    auto* link = reinterpret_cast<Chain*>(item);
    link->runs->fetch_add(1);
    if (link->next) deferred::defer(link->next->item, step);
  };
  Chain c{{}, nullptr, &runs}, b{{}, &c, &runs}, a{{}, &b, &runs};
  deferred::defer(a.item, step);
  deferred::flush();
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(deferred::pending(), 0u);
}

TEST(Deferred, RetiredBlocksReturn) {
  have_metadata();
  const size_t before = meta_arena.in_use();
  void* block = meta_arena.allocate(1000);
  deferred::Retirement* retirement = deferred::reserve_retirement();
  ASSERT_NE(retirement, nullptr);
  deferred::cancel(deferred::reserve_retirement());
  deferred::retire(retirement, block, 1000);
  EXPECT_GT(meta_arena.in_use(), before);
  deferred::flush();
  EXPECT_EQ(meta_arena.in_use(), before);
}

TEST(Deferred, ThreadsDeferDrainAndFlush) {
  have_metadata();
  const size_t before = meta_arena.in_use();
  constexpr int kEach = 5000;
  static std::atomic<long> runs{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < kEach; ++i) {
        {
          grace::ReadSection section;
          auto* object = meta_arena.create<Counted>();
          deferred::defer(object->item, [](DeferredItem* item) {
            runs.fetch_add(1);
            meta_arena.destroy(reinterpret_cast<Counted*>(item));
          });
        }
        if (i % 7 == t) deferred::drain();
        if (i % 500 == t) deferred::flush();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  deferred::flush();
  EXPECT_EQ(runs.load(), 4L * kEach);
  EXPECT_EQ(deferred::pending(), 0u);
  EXPECT_EQ(meta_arena.in_use(), before);
}

}  // namespace
}  // namespace tenure
