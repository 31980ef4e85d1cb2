#include "allocator/fronts/depots.h"

#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

class DepotsTest : public HeapTest {
protected:
  // Chains of one slab's objects, which go back in the end.
  ~DepotsTest() override { flush_depots(cache, UINT32_MAX); }

  ChainWord chain() {
    const ChainWord carved = take_from_partial(cache);
    return has_objects(carved) ? carved : create_slab(cache);
  }

  Cache& cache = fresh_cache(1024);
  Depot& own() { return depot_in(own_area(), cache.front_slot.load()); }
};

TEST_F(DepotsTest, ACpuKeepsAFewAndTheRestIsCommon) {
  StayOnCpu here;
  const uint32_t limit = depot_limit(cache);
  ASSERT_GT(limit, 1u);
  for (uint32_t i = 0; i < limit + 3; ++i) keep_chain(cache, chain());
  EXPECT_EQ(own().size(), limit);
  EXPECT_EQ(cache.depot.size(), 3u);
  EXPECT_EQ(chains_in_depots(cache), limit + 3);
  // The own ones first, of which the last is the warmest.
  const ChainWord last = own().peek();
  const ChainWord taken = take_chain(cache);
  EXPECT_EQ(taken, last);
  keep_chain(cache, taken);
  for (uint32_t i = 0; i < limit; ++i) {
    const ChainWord one = take_chain(cache);
    EXPECT_EQ(cache.depot.size(), 3u);
    give_to_slabs(cache, one);
  }
  EXPECT_TRUE(own().empty());
  give_to_slabs(cache, take_chain(cache));
  EXPECT_EQ(cache.depot.size(), 2u);
}

TEST_F(DepotsTest, AnothersIsTakenOnlyBeforeMemoryIs) {
  const uint32_t slot = cache.front_slot.load();
  const uint32_t elsewhere = (own_area() + 1) % (arena.cpus + arena.shared_areas);
  depot_in(elsewhere, slot).push(chain());
  {
    StayOnCpu here;
    if (own_area() == elsewhere) GTEST_SKIP() << "moved there meanwhile";
    EXPECT_FALSE(has_objects(take_chain(cache)));
    const ChainWord found = take_chain_anywhere(cache);
    ASSERT_TRUE(has_objects(found));
    EXPECT_FALSE(has_objects(take_chain_anywhere(cache)));
    keep_chain(cache, found);
  }
}

TEST_F(DepotsTest, AllAreFlushed) {
  const uint32_t slot = cache.front_slot.load();
  cache.depot.push(chain());
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    depot_in(area, slot).push(chain());
  }
  flush_depots(cache, 2);
  EXPECT_EQ(chains_in_depots(cache), arena.cpus + arena.shared_areas - 1);
  flush_depots(cache, UINT32_MAX);
  EXPECT_EQ(chains_in_depots(cache), 0u);
  EXPECT_EQ(cache.slabs.load(), 0u);
}

// Before more memory is taken, what other CPUs have is used.
TEST_F(DepotsTest, AllocationFindsAnothersBeforeItGrows) {
  std::vector<void*> held;
  for (int i = 0; i < 8; ++i) held.push_back(allocate_from(cache));
  const uint32_t slabs = cache.slabs.load();
  // All that is free lies on a CPU that this thread is not on.
  ChainWord word = kClosedWord;
  for (void* object : held)
    word = chain_push(object, has_objects(word) ? word : empty_word(cache.limit));
  const uint32_t elsewhere = (own_area() + 1) % (arena.cpus + arena.shared_areas);
  depot_in(elsewhere, cache.front_slot.load()).push(word);
  held.clear();
  while (cache.slabs.load() == slabs && held.size() < 100) held.push_back(allocate_from(cache));
  EXPECT_GE(held.size(), 8u);
  for (void* object : held) give_to_slabs(cache, chain_push(object, empty_word(cache.limit)));
}

}  // namespace
}  // namespace tenure
