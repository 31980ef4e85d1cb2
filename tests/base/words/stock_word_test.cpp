#include "base/words/stock_word.h"

#include <gtest/gtest.h>

namespace tenure {
namespace {

TEST(StockWord, ClosedRefusesAll) {
  constexpr StockWord closed;
  EXPECT_TRUE(closed.closed());
  EXPECT_FALSE(closed.open());
  EXPECT_FALSE(closed.held());
  EXPECT_EQ(closed.bytes(), 0u);
  EXPECT_FALSE(closed.can_take(2));
  EXPECT_FALSE(closed.can_give(2));
}

TEST(StockWord, StoppedWordsDifferRefuseAllAndHaveNothing) {
  for (uint32_t i = 0; i < StockWord::kStops; ++i) {
    const StockWord stopped = StockWord::stopped(i);
    EXPECT_TRUE(stopped.held()) << i;
    EXPECT_FALSE(stopped.closed()) << i;
    EXPECT_FALSE(stopped.open()) << i;
    EXPECT_EQ(stopped.bytes(), 0u) << i;
    EXPECT_FALSE(stopped.can_take(2)) << i;
    EXPECT_FALSE(stopped.can_give(2)) << i;
    for (uint32_t other = 0; other < i; ++other) EXPECT_NE(stopped, StockWord::stopped(other));
  }
}

// Every other word is open, the smallest ones and the largest alike.
TEST(StockWord, OneKindEach) {
  for (uint32_t have = 0; have <= 0xffff; have += have < 8 ? 1 : 1021) {
    for (uint32_t capacity = 0; capacity <= 0xffff; capacity += capacity < 8 ? 1 : 1021) {
      const StockWord word = StockWord::of(have, capacity);
      ASSERT_EQ(word.closed() + word.held() + word.open(), 1) << have << " of " << capacity;
      ASSERT_EQ(word.open(), have > 1 || capacity > 1);
      ASSERT_EQ(word.have(), have);
      ASSERT_EQ(word.capacity(), capacity);
      ASSERT_EQ(word.bytes(), word.open() ? have * 8 : 0);
    }
  }
}

TEST(StockWord, TakesWhatItHas) {
  const StockWord word = StockWord::of(10, 100);
  EXPECT_TRUE(word.can_take(10));
  EXPECT_FALSE(word.can_take(11));
  EXPECT_EQ(word.taken(4), StockWord::of(6, 100));
  EXPECT_EQ(word.taken(10), StockWord::of(0, 100));
  EXPECT_TRUE(word.taken(10).open()) << "an empty stock stays open, for what is freed next";
}

TEST(StockWord, GivesUpToItsCapacity) {
  const StockWord word = StockWord::of(10, 100);
  EXPECT_TRUE(word.can_give(90));
  EXPECT_FALSE(word.can_give(91));
  EXPECT_EQ(word.given(90), StockWord::of(100, 100));
  EXPECT_FALSE(word.given(90).can_give(2));
  // A word that has more than it may, since its capacity was lowered.
  EXPECT_FALSE(StockWord::of(101, 100).can_give(2));
  EXPECT_TRUE(StockWord::of(101, 100).can_take(101));
}

// No operation carries from one half into the other, at the limits that the header promises.
TEST(StockWord, HalvesDoNotMix) {
  constexpr uint32_t kMost = StockWord::kMostCapacity;
  EXPECT_EQ(StockWord::of(0, kMost).given(kMost), StockWord::of(kMost, kMost));
  EXPECT_EQ(StockWord::of(kMost, kMost).taken(kMost), StockWord::of(0, kMost));
  EXPECT_FALSE(StockWord::of(kMost, kMost).can_give(StockWord::kMostUnits));
  // The restartable sequences add in 16 bits before they compare.
  EXPECT_LT(kMost + StockWord::kMostUnits, 0x10000u);
  for (uint32_t units = 2; units <= StockWord::kMostUnits; units *= 2) {
    const StockWord word = StockWord::of(units, kMost);
    EXPECT_EQ(word.taken(units).given(units), word);
    EXPECT_EQ(StockWord::units(units * StockWord::kUnit), units);
  }
}

}  // namespace
}  // namespace tenure
