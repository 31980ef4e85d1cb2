#include "base/words/chain_word.h"

#include <vector>

#include <bit>
#include <gtest/gtest.h>
#include <set>

namespace tenure {
namespace {

struct alignas(16) Object {
  uint64_t words[4];
};

class ChainWordTest : public testing::TestWithParam<uint64_t> {
protected:
  ChainWordTest() { chain_key = GetParam(); }
  ~ChainWordTest() override { chain_key = 0; }
};

TEST(ChainWord, SpecialWordsAreEmptyForPop) {
  EXPECT_FALSE(has_objects(kClosedWord));
  EXPECT_FALSE(has_objects(kStoppedWord));
  EXPECT_FALSE(has_objects(empty_word(128)));
}

TEST(ChainWord, OnlyEmptyTakesAPush) {
  EXPECT_FALSE(accepts_push(kClosedWord));
  EXPECT_FALSE(accepts_push(kStoppedWord));
  EXPECT_TRUE(accepts_push(empty_word(1)));
  EXPECT_TRUE(accepts_push(empty_word(INT16_MAX)));
  EXPECT_TRUE(accepts_push(chain_word(0x1000, 1)));
  EXPECT_FALSE(accepts_push(chain_word(0x1000, 0)));
  EXPECT_FALSE(accepts_push(chain_word(0x1000, 0xffff)));
}

TEST(ChainWord, PointerAndRoomDoNotMix) {
  const uint64_t highest = (1ULL << 48) - 16;
  for (const uint64_t pointer : {uint64_t{16}, uint64_t{0x7fff12345670}, highest}) {
    for (const unsigned room : {0u, 1u, 127u, 0x7fffu, 0x8000u, 0xffffu}) {
      const ChainWord word = chain_word(pointer, static_cast<uint16_t>(room));
      ASSERT_EQ(pointer_bits(word), pointer);
      ASSERT_EQ(room_bits(word), room);
      ASSERT_TRUE(has_objects(word));
    }
  }
}

TEST_P(ChainWordTest, PushAndWalk) {
  constexpr uint16_t kLimit = 4;
  std::vector<Object> objects(10);  // Longer than the limit: room goes below zero.
  ChainWord chain = empty_word(kLimit);
  for (size_t i = 0; i < objects.size(); ++i) {
    EXPECT_EQ(accepts_push(chain), i < kLimit);
    EXPECT_EQ(chain_length(chain, kLimit), i);
    chain = chain_push(&objects[i], chain);
  }
  for (size_t i = objects.size(); i-- > 0;) {
    ASSERT_TRUE(has_objects(chain));
    ASSERT_EQ(chain_length(chain, kLimit), i + 1);
    void* const object = first_object(chain);
    ASSERT_EQ(object, &objects[i]);
    const ChainWord rest = load_link(object);
    ASSERT_TRUE(follows(rest, chain));
    chain = rest;
  }
  EXPECT_EQ(chain, empty_word(kLimit));
}

TEST_P(ChainWordTest, ObjectTwiceInAChainBreaksIt) {
  Object a{}, b{};
  const ChainWord first = chain_push(&a, empty_word(8));
  const ChainWord second = chain_push(&b, first);
  const ChainWord again = chain_push(&a, second);  // a's link now leads to b.
  const ChainWord back_at_b = load_link(first_object(again));
  EXPECT_TRUE(follows(back_at_b, again));
  const ChainWord back_at_a = load_link(first_object(back_at_b));
  EXPECT_EQ(first_object(back_at_a), &a);
  EXPECT_FALSE(follows(load_link(first_object(back_at_a)), back_at_a));
}

TEST_P(ChainWordTest, OverwrittenObjectBreaksTheChain) {
  Object a{}, b{};
  const ChainWord chain = chain_push(&b, chain_push(&a, empty_word(8)));
  for (const uint64_t garbage : {uint64_t{0}, ~uint64_t{0}, uint64_t{0x4141414141414141}}) {
    b.words[0] = garbage;
    EXPECT_FALSE(follows(load_link(&b), chain)) << garbage;
  }
}

INSTANTIATE_TEST_SUITE_P(Plain, ChainWordTest, testing::Values(0));
INSTANTIATE_TEST_SUITE_P(Encoded, ChainWordTest, testing::Values(0x9e3779b97f4a7c15));

TEST(ChainKey, NothingIsEncodedWithoutAKey) {
  Object a{};
  ASSERT_EQ(chain_key, 0u);
  chain_push(&a, empty_word(8));
  EXPECT_EQ(a.words[0], empty_word(8));
}

TEST(ChainKey, EncodedLinksHideThePointerAndDependOnTheirPlace) {
  chain_key = 0x123456789abcdef1;
  Object a{}, b{}, c{};
  const ChainWord rest = chain_push(&a, empty_word(8));
  store_link(&b, rest);
  store_link(&c, rest);
  EXPECT_NE(b.words[0], rest);
  EXPECT_NE(b.words[0], c.words[0]);
  EXPECT_EQ(load_link(&b), rest);
  c.words[0] = b.words[0];  // A link copied elsewhere decodes to nonsense.
  EXPECT_NE(load_link(&c), rest);
  chain_key = 0;
}

// Of neighbours, and of neighbours' neighbours, as of any two: half the bits on average, no two differences alike.
TEST(ChainKey, WordsOfNeighboursSayNothingOfEachOther) {
  constexpr int kObjects = 4096;
  static Object objects[kObjects];
  for (const uint64_t key : {uint64_t{1}, uint64_t{0x123456789abcdef1}}) {
    chain_key = key;
    std::set<uint64_t> differences;
    int bits = 0;
    for (int i = 0; i + 1 < kObjects; ++i) {
      const uint64_t difference = chain_mask(&objects[i]) ^ chain_mask(&objects[i + 1]);
      differences.insert(difference);
      bits += std::popcount(difference);
    }
    EXPECT_EQ(differences.size(), size_t{kObjects - 1});
    EXPECT_NEAR(bits / double(kObjects - 1), 32, 0.5);
  }
  chain_key = 0;
}

TEST(ChainKey, MasksDependOnEveryBitOfTheKey) {
  Object object{};
  constexpr uint64_t kKey = 0x9e3779b97f4a7c15;
  chain_key = kKey;
  const uint64_t mask = chain_mask(&object);
  for (int bit = 1; bit < 64; ++bit) {
    chain_key = kKey ^ uint64_t { 1 } << bit;
    const int changed = std::popcount(chain_mask(&object) ^ mask);
    EXPECT_GT(changed, 10) << bit;
    EXPECT_LT(changed, 54) << bit;
  }
  chain_key = 0;
}

// The room, too: so the check at every pop finds it.
TEST(ChainKey, ACopiedLinkBreaksTheChain) {
  chain_key = 0x123456789abcdef1;
  constexpr int kObjects = 1000;
  static Object objects[kObjects];
  int passed = 0;
  for (int i = 0; i + 1 < kObjects; ++i) {
    chain_push(&objects[i], empty_word(8));
    const ChainWord chain = chain_push(&objects[i + 1], empty_word(8));
    objects[i + 1].words[0] = objects[i].words[0];
    passed += follows(load_link(first_object(chain)), chain);
  }
  EXPECT_LE(passed, 3) << "one of 65,536 by chance";
  chain_key = 0;
}

}  // namespace
}  // namespace tenure
