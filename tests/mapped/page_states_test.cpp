#include "mapped/page_states.h"

#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "allocator/heap/bootstrap.h"

namespace tenure {
namespace {

constexpr uint64_t kSpan = 1 << 14;  // Pages of a leaf.
constexpr uint64_t kRoot = 1 << 26;

class PageStatesTest : public testing::Test {
protected:
  PageStatesTest() { EXPECT_TRUE(bootstrap()); }

  PageState at(uint64_t page) const {
    PageState found = PageState::kForeign;
    states_->for_each_run({page, 1}, [&](PageRange, PageState state) { found = state; });
    return found;
  }
  const std::unique_ptr<PageStates> states_ = std::make_unique<PageStates>();
};

TEST_F(PageStatesTest, EverythingIsForeignAtFirst) {
  uint64_t pages = 0;
  states_->for_each_run(PageStates::everything(), [&](PageRange run, PageState state) {
    EXPECT_EQ(state, PageState::kForeign);
    pages += run.count;
  });
  EXPECT_EQ(pages, PageStates::everything().count);
}

TEST_F(PageStatesTest, ChangesTellTheDifference) {
  EXPECT_EQ(states_->set({100, 50}, PageState::kWritable), 50);
  EXPECT_EQ(states_->set({120, 50}, PageState::kWritable), 20);
  EXPECT_EQ(states_->set({0, 110}, PageState::kReserved), -10);
  EXPECT_EQ(states_->change({0, 1000}, page_word::write_protected), 0);
  EXPECT_EQ(states_->change({0, 1000}, page_word::discarded), -60);
  EXPECT_EQ(states_->charged(PageStates::everything()), 0u);
  EXPECT_EQ(at(99), PageState::kReserved);
  EXPECT_EQ(at(169), PageState::kReserved);
  EXPECT_EQ(at(170), PageState::kForeign);
}

// The ends lie on and beside every border of words, spans and roots.
TEST_F(PageStatesTest, RangesMayEndAnywhere) {
  for (const uint64_t border : {uint64_t{32}, kSpan, kRoot, 3 * kRoot}) {
    for (const int64_t before : {-33, -1, 0, 1}) {
      for (const uint64_t count :
           {uint64_t{1}, uint64_t{2}, uint64_t{33}, kSpan, kSpan + 1, 2 * kSpan}) {
        if (before < 0 && border < static_cast<uint64_t>(-before)) continue;
        const PageRange range{border + static_cast<uint64_t>(before), count};
        ASSERT_EQ(states_->set(range, PageState::kWritable), static_cast<int64_t>(count));
        ASSERT_EQ(states_->charged(PageStates::everything()), count);
        if (range.first > 0) {
          ASSERT_EQ(at(range.first - 1), PageState::kForeign);
        }
        ASSERT_EQ(at(range.first), PageState::kWritable);
        ASSERT_EQ(at(range.end() - 1), PageState::kWritable);
        ASSERT_EQ(at(range.end()), PageState::kForeign);
        ASSERT_EQ(states_->set(range, PageState::kForeign), -static_cast<int64_t>(count));
      }
    }
  }
}

TEST_F(PageStatesTest, TerabytesTakeNoLeaves) {
  const PageRange terabyte{5 * kRoot, 4 * kRoot};
  EXPECT_EQ(states_->set(terabyte, PageState::kReserved), 0);
  EXPECT_EQ(states_->change(terabyte, page_word::made_writable),
            static_cast<int64_t>(terabyte.count));
  EXPECT_EQ(states_->set({6 * kRoot + 5, 1}, PageState::kForeign), -1);
  EXPECT_EQ(states_->set(terabyte, PageState::kForeign), 1 - static_cast<int64_t>(terabyte.count));
}

TEST_F(PageStatesTest, AddressesBeyondTheMapAreForeign) {
  const PageRange all = PageStates::everything();
  EXPECT_EQ(states_->set({all.count - 1, 10}, PageState::kWritable), 1);
  EXPECT_EQ(states_->set({all.count, 10}, PageState::kWritable), 0);
  EXPECT_EQ(states_->charged({all.count - 1, 11}), 1u);
  EXPECT_EQ(at(all.count), PageState::kForeign);
}

TEST_F(PageStatesTest, RangeOfBytes) {
  const auto range = [](uintptr_t p, size_t bytes) {
    return PageRange::of(reinterpret_cast<void*>(p), bytes);
  };
  EXPECT_EQ(range(0x3000, 1).first, 3u);
  EXPECT_EQ(range(0x3000, 1).count, 1u);
  EXPECT_EQ(range(0x3000, 0x2001).count, 3u);
  EXPECT_EQ(range(0x3000, 0).count, 0u);
  EXPECT_EQ(range(0x3000, SIZE_MAX).count, 0u);
  EXPECT_EQ(range(UINT64_MAX - 0xfff, 0x2000).count, 0u);
}

TEST_F(PageStatesTest, FollowsAModel) {
  constexpr uint64_t kFirst = kRoot - 700, kCount = 1400;
  std::vector<PageState> model(kCount, PageState::kForeign);
  std::mt19937 random(4711);
  int64_t charged = 0;
  for (int i = 0; i < 20000; ++i) {
    const uint64_t first = random() % kCount, count = 1 + random() % (kCount - first);
    const auto state = static_cast<PageState>(random() % 4);
    const unsigned what = random() % 4;
    const PageRange range{kFirst + first, count};
    charged += what == 0   ? states_->set(range, state)
               : what == 1 ? states_->change(range, page_word::made_writable)
               : what == 2 ? states_->change(range, page_word::write_protected)
                           : states_->change(range, page_word::discarded);
    for (uint64_t page = first; page < first + count; ++page) {
      PageState& it = model[page];
      if (what == 0) it = state;
      if (what == 1 && it != PageState::kForeign) it = PageState::kWritable;
      if (what == 2 && it == PageState::kWritable) it = PageState::kKept;
      if (what == 3 && it == PageState::kKept) it = PageState::kReserved;
    }
    uint64_t page = 0, sum = 0;
    states_->for_each_run({kFirst, kCount}, [&](PageRange run, PageState state_of_run) {
      ASSERT_EQ(run.first, kFirst + page);
      for (uint64_t end = page + run.count; page < end; ++page)
        ASSERT_EQ(model[page], state_of_run) << page;
      if (PageStates::is_charged(state_of_run)) sum += run.count;
    });
    ASSERT_EQ(page, kCount);
    ASSERT_EQ(static_cast<uint64_t>(charged), sum);
  }
}

// Whoever changes what: the sum of all differences is what is there in the end.
TEST_F(PageStatesTest, ThreadsAddUp) {
  constexpr unsigned kThreads = 4;
  int64_t grown[kThreads] = {};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 3000; ++i) {
        const PageRange range{kSpan - 200 + random() % 400, 1 + random() % (2 * kSpan)};
        grown[t] += states_->set(range, static_cast<PageState>(random() % 4));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int64_t sum = 0;
  for (const int64_t each : grown) sum += each;
  EXPECT_EQ(static_cast<int64_t>(states_->charged(PageStates::everything())), sum);
}

}  // namespace
}  // namespace tenure
