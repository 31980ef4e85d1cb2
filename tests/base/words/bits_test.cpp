#include "base/words/bits.h"

#include <gtest/gtest.h>

namespace tenure {
namespace {

TEST(Bits, PowersOfTwo) {
  EXPECT_FALSE(is_power_of_two(0));
  for (unsigned i = 0; i < 64; ++i) {
    EXPECT_TRUE(is_power_of_two(uint64_t{1} << i));
    if (i > 1) {
      EXPECT_FALSE(is_power_of_two((uint64_t{1} << i) - 1));
    }
    if (i > 0) {
      EXPECT_FALSE(is_power_of_two((uint64_t{1} << i) + 1)) << i;
    }
  }
}

TEST(Bits, RoundsToTheNearestMultiple) {
  for (const uint64_t to : {1, 2, 16, 4096}) {
    for (uint64_t x = 0; x < 3 * to; ++x) {
      const uint64_t up = round_up(x, to);
      const uint64_t down = round_down(x, to);
      ASSERT_EQ(up % to, 0u);
      ASSERT_EQ(down % to, 0u);
      ASSERT_LE(x, up);
      ASSERT_LT(up - x, to);
      ASSERT_LE(down, x);
      ASSERT_LT(x - down, to);
    }
  }
  EXPECT_EQ(round_down(UINT64_MAX, 1ULL << 63), 1ULL << 63);
}

TEST(Bits, DividesUpwards) {
  EXPECT_EQ(divide_up(0, 7), 0u);
  EXPECT_EQ(divide_up(1, 7), 1u);
  EXPECT_EQ(divide_up(7, 7), 1u);
  EXPECT_EQ(divide_up(8, 7), 2u);
}

TEST(Bits, Logarithms) {
  for (unsigned i = 0; i < 64; ++i) {
    const uint64_t power = uint64_t{1} << i;
    EXPECT_EQ(log2_floor(power), i);
    EXPECT_EQ(log2_ceil(power), i);
    if (i < 2) continue;
    EXPECT_EQ(log2_floor(power - 1), i - 1);
    EXPECT_EQ(log2_ceil(power - 1), i);
    EXPECT_EQ(log2_floor(power + 1), i);
    EXPECT_EQ(log2_ceil(power + 1), i + 1);
  }
  EXPECT_EQ(log2_ceil(0), 0u);
  EXPECT_EQ(log2_floor(UINT64_MAX), 63u);
}

TEST(Bits, LowMaskCoversTheWholeWord) {
  EXPECT_EQ(low_mask(0), 0u);
  EXPECT_EQ(low_mask(1), 1u);
  EXPECT_EQ(low_mask(63), UINT64_MAX >> 1);
  EXPECT_EQ(low_mask(64), UINT64_MAX);
}

}  // namespace
}  // namespace tenure
