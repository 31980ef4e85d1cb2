#include "allocator/slabs/slab_state.h"

#include <set>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

namespace tenure {
namespace {

auto key(SlabState s) { return std::tuple(s.head, s.free, s.carved, s.bits); }

// What must hold in every state that the transitions lead to.
void check_invariants(SlabState s, uint16_t capacity) {
  ASSERT_LE(s.carved, capacity);
  ASSERT_GT(s.carved, 0);
  ASSERT_LE(s.free, s.carved);
  ASSERT_LE(s.holes(), s.free);
  if (s.map_taken()) ASSERT_EQ(s.holes(), 0) << "its holes are taken, too";
  ASSERT_LE(s.head, s.carved);
  // Dead exactly when everything that was handed out is back.
  ASSERT_EQ(s.dead(), s.free == s.carved);
  if (s.dead()) {
    ASSERT_EQ(s.head, 0);
    ASSERT_EQ(s.holes(), 0);
    ASSERT_FALSE(s.map_taken());
    return;
  }
  ASSERT_EQ(s.head == 0, s.chained() == 0);
  // Listed when there is something to give; a collector leaves the slab where it was.
  if (s.free > 0 || s.carved < capacity) ASSERT_TRUE(s.listed());
}

class SlabStateTest : public testing::TestWithParam<uint16_t> {
protected:
  // All states reachable from those in which create_slab() begins.
  static std::vector<SlabState> reachable(uint16_t capacity) {
    std::vector<SlabState> states;
    std::set<std::tuple<uint16_t, uint16_t, uint16_t, uint16_t>> known;
    const auto add = [&](SlabState s) {
      if (known.insert(key(s)).second) states.push_back(s);
    };
    for (uint16_t count = 1; count <= capacity; ++count) {
      add({0, 0, count, count < capacity ? SlabState::kListed : uint16_t{0}});
    }
    for (size_t i = 0; i < states.size(); ++i) {
      const SlabState s = states[i];
      if (s.dead()) continue;
      // The owner of the map holds an object of the slab.
      for (uint16_t count = 1; count <= s.carved - s.free - s.map_taken(); ++count) {
        for (uint16_t head = 0; head < s.carved; ++head) add(give_back(s, head, count));
      }
      // A collector, and what it or a refill gives back of what it has.
      if (const auto next = collect(s)) add(*next);
      const int held = s.carved - s.free;
      if (s.map_taken()) add(give_map_back(s));
      for (int holes = 0; s.map_taken() && holes <= held; ++holes) {
        for (int count = 0; holes + count <= held && count <= 2; ++count) {
          if (holes + count == 0) continue;
          for (uint16_t head = 0; head < (count ? s.carved : 1); ++head)
            add(give_back_with_holes(s, head, static_cast<uint16_t>(count),
                                     static_cast<uint16_t>(holes)));
        }
      }
      if (!s.listed()) continue;  // Only the holder of its place takes.
      if (const auto next = take_all(s, capacity)) add(*next);
      if (const auto next = take_holes(s, capacity)) add(*next);
      if (const auto next = take(s, 1, capacity)) add(*next);
      for (uint16_t count = 1; count <= capacity; ++count) {
        if (const auto next = carve(s, count, capacity)) add(*next);
      }
    }
    return states;
  }
};

TEST_P(SlabStateTest, InvariantsHoldInEveryReachableState) {
  const auto states = reachable(GetParam());
  for (const SlabState s : states) {
    SCOPED_TRACE(testing::Message() << "head " << s.head << " free " << s.free << " carved "
                                    << s.carved << " bits " << s.bits);
    ASSERT_NO_FATAL_FAILURE(check_invariants(s, GetParam()));
  }
  EXPECT_GE(states.size(), GetParam());
}

TEST_P(SlabStateTest, CountsAddUpInEveryTransition) {
  const uint16_t capacity = GetParam();
  for (const SlabState s : reachable(capacity)) {
    if (s.dead()) continue;
    const uint16_t held = static_cast<uint16_t>(s.carved - s.free);
    if (s.map_taken()) {
      ASSERT_FALSE(collect(s)) << "somebody else has the map";
      ASSERT_EQ(give_map_back(s).free, s.free);
    }
    for (uint16_t count = 1; count <= held; ++count) {
      const SlabState after = give_back(s, 0, count);
      ASSERT_EQ(after.carved, s.carved);
      ASSERT_EQ(after.free, s.free + count);
      ASSERT_EQ(after.dead(), count == held);
      ASSERT_TRUE(after.dead() || after.head == 1);
      ASSERT_TRUE(after.listed() || after.dead());
      ASSERT_TRUE(after.listed() || !s.listed()) << "a free took the slab off the list";
    }
    if (const auto after = take_all(s, capacity)) {
      ASSERT_GT(s.chained(), 0);
      ASSERT_EQ(after->chained(), 0);
      ASSERT_EQ(after->holes(), s.holes());
      ASSERT_EQ(after->carved, s.carved);
      if (s.listed()) ASSERT_EQ(after->listed(), s.carved < capacity || s.holes() > 0);
    } else {
      ASSERT_EQ(s.chained(), 0);
    }
    if (const auto after = take_holes(s, capacity)) {
      ASSERT_EQ(s.chained(), 0);
      ASSERT_EQ(after->free, 0);
      ASSERT_EQ(after->holes(), 0);
      ASSERT_TRUE(after->map_taken());
      ASSERT_EQ(after->carved, s.carved);
    } else {
      ASSERT_TRUE(s.holes() == 0 || s.chained() != 0);
    }
    if (const auto after = collect(s)) {
      ASSERT_EQ(after->free, 0);
      ASSERT_EQ(after->head, 0);
      ASSERT_EQ(after->holes(), 0);
      ASSERT_EQ(after->listed(), s.listed()) << "a collector has no place to give up";
      // All of it comes back, some of it as holes.
      for (uint16_t holes = 0; holes <= s.free; ++holes) {
        const auto chained = static_cast<uint16_t>(s.free - holes);
        const SlabState back = give_back_with_holes(*after, 0, chained, holes);
        ASSERT_EQ(back.free, s.free);
        ASSERT_EQ(back.holes(), holes);
        ASSERT_EQ(back.head, chained != 0);
        ASSERT_TRUE(back.listed());
        ASSERT_FALSE(back.map_taken());
      }
    } else {
      ASSERT_TRUE(s.free == 0 || s.map_taken());
    }
    // A taker with the place gets something, or gives the place up.
    const auto taken = take(s, 1, capacity);
    ASSERT_TRUE(taken);
    if (s.free == 0 && s.carved == capacity) ASSERT_EQ(*taken, unlisted(s));
    for (uint16_t count = 1; count <= capacity; ++count) {
      const auto after = carve(s, count, capacity);
      ASSERT_EQ(after.has_value(), s.carved < capacity);
      if (!after) continue;
      ASSERT_EQ(after->free, s.free);
      ASSERT_EQ(after->head, s.head);
      ASSERT_EQ(after->carved, std::min<int>(s.carved + count, capacity));
      // Put back, what frees have done in between stays; the first objects may be kept.
      const int kept = after->carved - s.carved;
      for (int good = 0; good < kept; ++good) {
        const SlabState back = uncarve(*after, static_cast<uint16_t>(s.carved + good));
        ASSERT_EQ(back.carved, s.carved + good);
        ASSERT_EQ(back.free, s.free);
        ASSERT_EQ(back.dead(), back.free == back.carved);
        ASSERT_TRUE(back.dead() || back.listed()) << "there is something to carve";
        ASSERT_TRUE(back.dead() || (back.head == s.head && back.holes() == s.holes()));
      }
    }
  }
}

TEST_P(SlabStateTest, DeathIsFinal) {
  const uint16_t capacity = GetParam();
  for (const SlabState s : reachable(capacity)) {
    if (!s.dead()) continue;
    EXPECT_FALSE(take_all(s, capacity));
    EXPECT_FALSE(carve(s, 1, capacity));
    EXPECT_FALSE(take_holes(s, capacity));
    EXPECT_FALSE(collect(s));
    EXPECT_FALSE(take(s, 1, capacity));
  }
}

INSTANTIATE_TEST_SUITE_P(Capacities, SlabStateTest, testing::Range<uint16_t>(1, 9));

TEST(SlabState, LargestSlab) {
  constexpr uint16_t kCapacity = 16384;  // 16-byte objects in 256 KiB.
  SlabState s{0, 0, 1, SlabState::kListed};
  s = *carve(s, UINT16_MAX, kCapacity);
  EXPECT_EQ(s.carved, kCapacity);
  EXPECT_FALSE(s.listed());
  s = give_back(s, kCapacity - 1, kCapacity - 1);
  EXPECT_EQ(s.head, kCapacity);
  EXPECT_EQ(s.free, kCapacity - 1);
  EXPECT_TRUE(s.listed());
  EXPECT_TRUE(give_back(s, 0, 1).dead());
}

// As many holes as there can be beside an object that lives.
TEST(SlabState, MostHoles) {
  constexpr uint16_t kCapacity = SlabState::kMostHoles + 1;
  SlabState s{1, kCapacity - 1, kCapacity, SlabState::kListed};
  s = give_back_with_holes(*collect(s), 0, 0, kCapacity - 1);
  EXPECT_EQ(s.holes(), SlabState::kMostHoles);
  EXPECT_EQ(s.chained(), 0);
  EXPECT_TRUE(s.listed() && !s.dead() && !s.map_taken());
  EXPECT_TRUE(give_back(s, 0, 1).dead());
}

}  // namespace
}  // namespace tenure
