#include "base/words/span_state.h"

#include <gtest/gtest.h>

namespace tenure {
namespace {

constexpr uint16_t kCapacity = 3;

TEST(SpanState, ANewSpanHasItsFirstBlockOut) {
  EXPECT_EQ(new_span(false), (SpanState{0, 0, 1, SpanState::kListed}));
  EXPECT_EQ(new_span(true), (SpanState{0, 0, 1, SpanState::kListed | SpanState::kDirty}));
}

TEST(SpanState, BlocksAreCarvedUntilNoneIsLeft) {
  const auto second = take_block(new_span(false), 0, kCapacity);
  ASSERT_TRUE(second);
  EXPECT_EQ(*second, (SpanState{0, 0, 2, SpanState::kListed}));
  const auto third = take_block(*second, 0, kCapacity);
  ASSERT_TRUE(third);
  EXPECT_EQ(*third, (SpanState{0, 0, 3, 0})) << "with nothing to give it leaves the stack";
}

TEST(SpanState, FreeBlocksAreTakenBeforeOthersAreCarved) {
  const SpanState given = give_block({0, 0, 2, SpanState::kListed}, 1, kCapacity);
  EXPECT_EQ(given, (SpanState{2, 1, 2, SpanState::kListed}));
  const auto taken = take_block(given, 0, kCapacity);
  ASSERT_TRUE(taken);
  EXPECT_EQ(*taken, (SpanState{0, 0, 2, SpanState::kListed}));
}

TEST(SpanState, ABlockThatComesBackListsTheSpan) {
  EXPECT_EQ(give_block({0, 0, 3, 0}, 2, kCapacity), (SpanState{3, 1, 3, SpanState::kListed}));
}

TEST(SpanState, TheLastBlockEndsAFullyCarvedSpanOnly) {
  EXPECT_FALSE(give_block({1, 1, 2, SpanState::kListed}, 1, kCapacity).dead());
  const SpanState dead = give_block({1, 2, 3, SpanState::kListed}, 1, kCapacity);
  EXPECT_TRUE(dead.dead());
  EXPECT_TRUE(dead.ending());
  EXPECT_TRUE(dead.listed());
  EXPECT_FALSE(take_block(dead, 0, kCapacity));
}

// Of the thread that ends the span and the one that finds it on the stack, exactly one gets it, in either order.
TEST(SpanState, ADeadSpanGoesToTheLastOfTwo) {
  const SpanState dead = give_block({1, 2, 3, SpanState::kListed}, 1, kCapacity);
  const SpanState ended = end_span(dead, true);
  EXPECT_TRUE(ended.listed()) << "left to the thread that finds it";
  EXPECT_TRUE(ended.dirty());
  EXPECT_FALSE(drop_span(ended).ending());
  EXPECT_TRUE(drop_span(ended).dirty());

  const SpanState dropped = drop_span(dead);
  EXPECT_TRUE(dropped.ending()) << "left to the thread that ends it";
  EXPECT_FALSE(end_span(dropped, false).listed());
  EXPECT_FALSE(end_span(dropped, false).dirty());
}

}  // namespace
}  // namespace tenure
