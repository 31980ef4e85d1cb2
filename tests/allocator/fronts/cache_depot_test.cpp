#include "allocator/slabs/cache.h"

#include <span>

#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

struct alignas(16) Object {
  std::atomic<uint64_t> words[2];
  std::atomic<uint32_t> taken;
};

class DepotTest : public testing::TestWithParam<uint64_t> {
protected:
  DepotTest() {
    EXPECT_TRUE(bootstrap());
    memory_ = allocate(kBytes);  // Chains that lead out of the arena are reported.
    __builtin_memset(memory_, 0, kBytes);
    chain_key = GetParam();
  }
  ~DepotTest() override {
    chain_key = saved_;
    deallocate(memory_);
  }
  template <typename T>
  std::span<T> row_of(size_t count) {
    EXPECT_LE(count * sizeof(T), kBytes);
    return {static_cast<T*>(memory_), count};
  }

private:
  static constexpr size_t kBytes = 64 * kKiB;
  const uint64_t saved_ = chain_key;
  void* memory_;
};
using DepotDeathTest = DepotTest;

TEST(Cache, KnowsItsClass) {
  for (const uint32_t smallest : {1u, 8u}) {
    for (uint32_t i = 0; i < kClassCount; ++i) {
      Cache cache;
      const ClassId id{static_cast<uint8_t>(i)};
      cache.init(id, kRootFrontOffset, smallest);
      EXPECT_EQ(cache.class_id, id);
      EXPECT_EQ(cache.object_size, class_size(i));
      EXPECT_EQ(cache.limit, front_limit(cache.object_size));
      EXPECT_EQ(cache.granules, slab_granules(cache.object_size, smallest));
      EXPECT_EQ(cache.capacity, cache.granules * kGranuleSize / cache.object_size);
      EXPECT_EQ(cache.front_slot, kRootFrontOffset + slot_in_front(id));
      EXPECT_GT(cache.front_slot, 0u) << "0 is the closed slot";
      EXPECT_TRUE(cache.depot.empty());
      EXPECT_TRUE(cache.partial.empty());
      EXPECT_EQ(cache.slabs.load(), 0u);
    }
  }
}

TEST_P(DepotTest, ChainsKeepTheirLengthAndOrder) {
  const auto objects = row_of<Object>(12);
  Depot depot;
  std::vector<ChainWord> chains;
  for (size_t i = 0; i < objects.size(); i += 3) {
    ChainWord chain = empty_word(8);
    for (size_t k = i; k < i + 3; ++k) chain = chain_push(&objects[k], chain);
    depot.push(chain);
    chains.push_back(chain);
  }
  EXPECT_EQ(depot.size(), chains.size());
  while (!chains.empty()) {
    ChainWord chain = depot.pop();
    ASSERT_EQ(chain, chains.back());
    for (int i = 0; i < 3; ++i) {
      const ChainWord rest = load_link(first_object(chain));
      ASSERT_TRUE(follows(rest, chain));
      chain = rest;
    }
    EXPECT_EQ(chain, empty_word(8));
    chains.pop_back();
  }
  EXPECT_EQ(depot.pop(), 0u);
}

TEST_P(DepotTest, SmallestObjectsHoldBothLinks) {
  struct alignas(16) Smallest {
    std::atomic<uint64_t> words[2];
  };
  const auto row = row_of<Smallest>(3);
  row[0].words[0] = row[2].words[0] = 0x5555;
  Depot depot;
  depot.push(chain_push(&row[1], empty_word(8)));
  EXPECT_EQ(row[0].words[0].load(), 0x5555u);
  EXPECT_EQ(row[0].words[1].load(), 0u);
  EXPECT_EQ(row[2].words[0].load(), 0x5555u);
  EXPECT_EQ(first_object(depot.pop()), &row[1]);
}

TEST_P(DepotTest, ThreadsLoseAndDoubleNothing) {
  constexpr size_t kChains = 6, kLength = 4;
  const auto objects = row_of<Object>(kChains * kLength);
  Depot depot;
  for (size_t i = 0; i < objects.size(); i += kLength) {
    ChainWord chain = empty_word(8);
    for (size_t k = i; k < i + kLength; ++k) chain = chain_push(&objects[k], chain);
    depot.push(chain);
  }
  std::atomic<uint32_t> wrong{0};
  run_threads(4, [&](int) {
    for (int round = 0; round < 20000; ++round) {
      ChainWord chain = depot.pop();
      if (!has_objects(chain)) continue;
      ChainWord again = empty_word(8);
      for (size_t i = 0; i < kLength; ++i) {
        auto* object = static_cast<Object*>(first_object(chain));
        if (object->taken.exchange(1) != 0) ++wrong;
        chain = load_link(object);
        object->words[0].store(~0ULL, std::memory_order_relaxed);
        object->words[1].store(~0ULL, std::memory_order_relaxed);
        object->taken.store(0);
        again = chain_push(object, again);
      }
      if (chain != empty_word(8)) ++wrong;
      depot.push(again);
    }
  });
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_EQ(depot.size(), kChains);
}

TEST_P(DepotDeathTest, OverwrittenLinksAreReported) {
  const auto objects = row_of<Object>(3);
  Depot depot;
  for (Object& object : objects) depot.push(chain_push(&object, empty_word(8)));
  EXPECT_EXIT(
      {
        objects[2].words[1] ^= uint64_t{1} << 60;
        for (int i = 0; i < 3; ++i) static_cast<void>(depot.pop());
      },
      testing::KilledBySignal(SIGABRT), "tenure: corrupted chain: pointer 0x");
  while (!depot.empty()) static_cast<void>(depot.pop());
}

INSTANTIATE_TEST_SUITE_P(Plain, DepotDeathTest, testing::Values(0));
INSTANTIATE_TEST_SUITE_P(Plain, DepotTest, testing::Values(0));
INSTANTIATE_TEST_SUITE_P(Encoded, DepotTest, testing::Values(0x9e3779b97f4a7c15));

}  // namespace
}  // namespace tenure
