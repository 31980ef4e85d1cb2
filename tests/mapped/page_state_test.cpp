#include "mapped/page_state.h"

#include <gtest/gtest.h>

namespace tenure {
namespace {

using namespace page_word;

constexpr PageState kStates[] = {PageState::kForeign, PageState::kReserved, PageState::kKept,
                                 PageState::kWritable};

// One page of each state: foreign, reserved, kept, writable; the rest is foreign.
constexpr uint64_t kOneOfEach = 0 << 0 | 1 << 2 | 2 << 4 | 3 << 6;

TEST(PageState, MaskHasBothBitsOfEachPage) {
  EXPECT_EQ(mask(0, 1), 3u);
  EXPECT_EQ(mask(1, 2), 0x3cu);
  EXPECT_EQ(mask(0, 32), ~uint64_t{0});
  EXPECT_EQ(mask(31, 1), uint64_t{3} << 62);
}

TEST(PageState, SetReachesThePagesOfTheMaskOnly) {
  for (const PageState from : kStates) {
    for (const PageState to : kStates) {
      const uint64_t word = set(all(from), mask(3, 5), to);
      for (unsigned page = 0; page < kPages; ++page)
        EXPECT_EQ(state(word, page), page >= 3 && page < 8 ? to : from) << page;
    }
  }
}

TEST(PageState, KeptAndWritablePagesAreCharged) {
  EXPECT_EQ(charged(kOneOfEach, mask(0, 4)), 2u);
  EXPECT_EQ(charged(kOneOfEach, mask(0, 3)), 1u);
  EXPECT_EQ(charged(all(PageState::kReserved), ~uint64_t{0}), 0u);
  EXPECT_EQ(charged(all(PageState::kWritable), ~uint64_t{0}), kPages);
}

// What becomes of foreign, reserved, kept and writable pages.
void expect_transition(uint64_t (*transition)(uint64_t, uint64_t), const PageState (&after)[4]) {
  const uint64_t word = transition(kOneOfEach, mask(0, 4));
  for (unsigned page = 0; page < 4; ++page) {
    EXPECT_EQ(state(word, page), after[page]) << page;
    // The neighbours stay.
    const uint64_t one = transition(kOneOfEach, mask(page, 1));
    for (unsigned other = 0; other < 4; ++other)
      EXPECT_EQ(state(one, other), other == page ? after[page] : state(kOneOfEach, other));
  }
}

TEST(PageState, WritingIsAllowedToWhatIsKnown) {
  expect_transition(made_writable, {PageState::kForeign, PageState::kWritable, PageState::kWritable,
                                    PageState::kWritable});
}

TEST(PageState, WhatMayNoLongerBeWrittenToIsKept) {
  expect_transition(write_protected, {PageState::kForeign, PageState::kReserved, PageState::kKept,
                                      PageState::kKept});
}

TEST(PageState, DiscardedPagesAreReservedUnlessTheyMayBeWrittenTo) {
  expect_transition(discarded, {PageState::kForeign, PageState::kReserved, PageState::kReserved,
                                PageState::kWritable});
}

}  // namespace
}  // namespace tenure
