#include "allocator/upkeep/idle_slabs.h"

#include "allocator/fronts/depots.h"
#include "allocator/slabs/holes.h"
#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

constexpr uint32_t kRound = 100;

// Slabs of 512 bytes in which one object of 16 lives.
class IdleSlabsTest : public HeapTest {
protected:
  static constexpr size_t kSize = 512, kSlabs = 20;

  void SetUp() override {
    HeapTest::SetUp();
    trim();
    const size_t count = kSlabs * kGranuleSize / kSize;
    std::vector<void*> objects;
    for (size_t i = 0; i < count; ++i) objects.push_back(allocate(kSize));
    for (void* object : objects) memset(object, 1, kSize);
    for (size_t i = 0; i < count; ++i) {
      if (i % 16 == 0)
        live_.push_back(objects[i]);
      else
        deallocate(objects[i]);
    }
    // So that nothing is in lists, and no hand has passed the slabs.
    trim();
    finish_round();
    for (void* object : live_) slab_of(object).age = kUsed;
  }
  void TearDown() override {
    for (void* object : live_) deallocate(object);
    trim();
    HeapTest::TearDown();
  }

  static RunDescriptor& slab_of(const void* object) {
    return arena.descriptors.at(arena.page_map.at(granule_of(object)).descriptor.load());
  }
  size_t holes() const {
    size_t pages = 0;
    for (size_t i = 0; i < live_.size(); ++i) {
      RunDescriptor& slab = slab_of(live_[i]);
      if (i == 0 || &slab != &slab_of(live_[i - 1]))
        pages += static_cast<size_t>(std::popcount(slab.purged));
    }
    return pages;
  }
  // The rest of the round, with the clock at its end, and the beginning of the next.
  static size_t finish_round(size_t most = SIZE_MAX) {
    now_ += 2 * kRound;
    SlabWork done = collect_some_slabs(now_, most, kRound);
    size_t collected = done.collected;
    while (done.behind && most == SIZE_MAX) {
      done = collect_some_slabs(now_, most, kRound);
      collected += done.collected;
    }
    return collected;
  }

  static inline uint32_t now_ = 1000000;
  std::vector<void*> live_;
};

TEST_F(IdleSlabsTest, IdleSlabsReturnPagesInTheSecondRound) {
  EXPECT_EQ(finish_round(), 0u) << "visited for the first time";
  EXPECT_EQ(holes(), 0u);
  // Half of the round's time is half of the way.
  const SlabWork none = collect_some_slabs(now_, SIZE_MAX, kRound);
  EXPECT_EQ(none.collected, 0u);
  EXPECT_FALSE(none.behind);
  EXPECT_GE(finish_round(), kSlabs / 2);
  EXPECT_GT(holes(), kSlabs * kGranuleSize / kPageSize / 3);
  EXPECT_EQ(finish_round(), 0u) << "nothing more is free";
  EXPECT_STREQ(validate_heap(), nullptr);
}

TEST_F(IdleSlabsTest, SlabsInUseStayAsTheyAre) {
  finish_round();
  // Refills take what is free in each slab.
  Cache& cache = root_caches[index_of(class_of(kSize))];
  std::vector<ChainWord> chains;
  for (;;) {
    chains.push_back(take_from_partial(cache));
    if (!has_objects(chains.back())) break;
  }
  for (const ChainWord chain : chains) {
    if (has_objects(chain)) give_to_slabs(cache, chain);
  }
  EXPECT_EQ(finish_round(), 0u);
  EXPECT_EQ(holes(), 0u);
  EXPECT_GT(finish_round(), 0u);
}

TEST_F(IdleSlabsTest, WorkIsBounded) {
  finish_round();
  now_ += 2 * kRound;
  size_t steps = 0;
  for (SlabWork done{0, true}; done.behind; ++steps) {
    done = collect_some_slabs(now_, 2, kRound);
    EXPECT_LE(done.collected, 2u);
    ASSERT_LT(steps, 1000u);
  }
  EXPECT_GE(steps, kSlabs / 4);
  EXPECT_GT(holes(), 0u);
}

TEST_F(IdleSlabsTest, AllAtOnce) {
  const size_t bytes = collect_slabs(SIZE_MAX, SIZE_MAX);
  EXPECT_GE(bytes, holes() * kPageSize);
  EXPECT_GT(holes(), kSlabs * kGranuleSize / kPageSize / 3);
  EXPECT_EQ(collect_slabs(SIZE_MAX, SIZE_MAX), 0u);
}

TEST_F(IdleSlabsTest, NoMoreThanAskedFor) {
  EXPECT_LE(collect_slabs(SIZE_MAX, 1), kGranuleSize * kLargestSlabGranules);
  EXPECT_LE(collect_slabs(1, SIZE_MAX), kGranuleSize * kLargestSlabGranules);
}

}  // namespace
}  // namespace tenure
