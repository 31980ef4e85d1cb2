#include "allocator/fronts/cold_chains.h"

#include <set>

#include "allocator/fronts/depots.h"
#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

class ColdChainsTest : public HeapTest {
protected:
  // A full list of objects from as many slabs as it takes, in an order that is nobody's.
  static ChainWord full_chain(Cache& cache) {
    std::vector<void*> objects;
    while (objects.size() < cache.limit) objects.push_back(allocate_from(cache));
    for (size_t i = objects.size(); i > 1; --i)
      std::swap(objects[i - 1], objects[random.below(static_cast<uint32_t>(i))]);
    ChainWord chain = empty_word(cache.limit);
    for (void* object : objects) chain = chain_push(object, chain);
    return chain;
  }
  static std::vector<void*> objects_of(ChainWord chain) {
    std::vector<void*> objects;
    for (; has_objects(chain); chain = load_link(first_object(chain)))
      objects.push_back(first_object(chain));
    return objects;
  }
  static inline Random random{7};
};

TEST_F(ColdChainsTest, ComeBackAsTheyWere) {
  for (const size_t size : {24u, 32u, 48u, 64u, 256u, 1024u, 2048u}) {
    Cache& cache = fresh_cache(size);
    if (!may_index(cache)) {
      EXPECT_TRUE(chain_key != 0 || cache.object_size < 24) << size;
      continue;
    }
    for (const uint32_t less : {0u, 1u, 7u}) {
      ChainWord chain = full_chain(cache);
      for (uint32_t i = 0; i < less; ++i) {
        void* const object = first_object(chain);
        chain = load_link(object);
        give_to_slabs(cache, chain_push(object, empty_word(cache.limit)));
      }
      const std::vector<void*> before = objects_of(chain);
      ASSERT_EQ(before.size(), cache.limit - less);
      push_cold(cache, chain);
      EXPECT_EQ(cache.cold.size(), 1u);
      EXPECT_EQ(validate_heap(), nullptr);
      EXPECT_EQ(pop_cold(cache), chain);
      EXPECT_EQ(objects_of(chain), before);
      give_to_slabs(cache, chain);
    }
    // Of one object: most parts are empty.
    const ChainWord alone = chain_push(allocate_from(cache), empty_word(cache.limit));
    push_cold(cache, alone);
    EXPECT_EQ(pop_cold(cache), alone);
    give_to_slabs(cache, alone);
    EXPECT_FALSE(has_objects(pop_cold(cache)));
    flush_depots(cache, UINT32_MAX);
  }
}

TEST_F(ColdChainsTest, WhatTheCommonDepotDoesNotHold) {
  StayOnCpu here;
  Cache& cache = fresh_cache(1024);
  const uint32_t warm = depot_limit(cache) + warm_limit(cache);
  std::vector<ChainWord> chains;
  for (uint32_t i = 0; i < warm + 3; ++i) chains.push_back(full_chain(cache));
  for (const ChainWord chain : chains) keep_chain(cache, chain);
  const uint32_t cold = may_index(cache) ? 3 : 0;
  EXPECT_EQ(cache.cold.size(), cold);
  EXPECT_EQ(chains_in_depots(cache), warm + 3);
  std::set<void*> objects;
  for (uint32_t i = 0; i < warm + 3; ++i) {
    const ChainWord chain = take_chain(cache);
    if (i < warm) EXPECT_EQ(cache.cold.size(), cold) << "the warm ones first";
    for (void* object : objects_of(chain)) objects.insert(object);
    give_to_slabs(cache, chain);
  }
  EXPECT_EQ(objects.size(), size_t{warm + 3} * cache.limit);
  EXPECT_EQ(chains_in_depots(cache), 0u);
}

// An index is only as good as the memory it lies in: who writes to freed objects must not have malloc follow.
TEST_F(ColdChainsTest, OverwrittenIndexLeadsNowhere) {
  Cache& cache = fresh_cache(256);
  if (!may_index(cache)) GTEST_SKIP();
  const ChainWord chain = full_chain(cache);
  for (const int byte : {0x00, 0x41, 0x7f, 0xff}) {
    push_cold(cache, chain);
    auto* const words = static_cast<uint64_t*>(first_object(chain));
    __builtin_memset(words + 2, byte, 256 - 16);
    EXPECT_EQ(pop_cold(cache), chain);
    EXPECT_EQ(objects_of(chain).size(), cache.limit);
  }
  give_to_slabs(cache, chain);
  flush_depots(cache, UINT32_MAX);
}

using ColdChainsDeathTest = ColdChainsTest;

TEST_F(ColdChainsDeathTest, OverwrittenLinksAreReported) {
  Cache& cache = fresh_cache(256);
  if (!may_index(cache)) GTEST_SKIP();
  const ChainWord chain = full_chain(cache);
  void* const third = objects_of(chain)[2];
  for (const uint64_t bits : {uint64_t{1}, uint64_t{1} << 60, uint64_t{1} << 17}) {
    EXPECT_EXIT(
        {
          *static_cast<uint64_t*>(third) ^= bits;
          push_cold(cache, chain);
        },
        testing::KilledBySignal(SIGABRT), "tenure: corrupted chain: pointer 0x");
  }
  give_to_slabs(cache, chain);
  flush_depots(cache, UINT32_MAX);
}

// More objects than the word says would take more index than the object has room for.
TEST_F(ColdChainsDeathTest, OverlongChainsAreReported) {
  Cache& cache = fresh_cache(32);
  if (!may_index(cache)) GTEST_SKIP();
  const ChainWord chain = full_chain(cache), more = full_chain(cache);
  EXPECT_EXIT(
      {
        // Joined behind the last, with rooms that go on as they should: past the limit.
        const std::vector<void*> objects = objects_of(chain);
        const std::vector<void*> others = objects_of(more);
        for (size_t i = 0; i < others.size(); ++i) {
          const auto room = static_cast<uint16_t>(cache.limit + i);
          void* const before = i == 0 ? objects.back() : others[i - 1];
          store_link(before, chain_word(reinterpret_cast<uint64_t>(others[i]), room));
        }
        store_link(others.back(), static_cast<uint16_t>(cache.limit + others.size()));
        push_cold(cache, chain);
      },
      testing::KilledBySignal(SIGABRT), "tenure: corrupted chain: pointer 0x");
  give_to_slabs(cache, chain);
  give_to_slabs(cache, more);
  flush_depots(cache, UINT32_MAX);
}

// Others' bytes would show in what the next tenant gets; a constructor's work would be lost.
TEST_F(ColdChainsTest, NotWhereContentsMatter) {
  EXPECT_FALSE(may_index(root_caches[index_of(class_of(16))])) << "no room";
  CacheFamily constructed;
  constructed.constructor = [](void*) {};
  constructed.prefix = kMinAlignment;
  Cache cache;
  cache.init(class_of(256), kRootFrontOffset, 1);
  EXPECT_EQ(may_index(cache), chain_key == 0);
  cache.family = &constructed;
  EXPECT_FALSE(may_index(cache));
}

}  // namespace
}  // namespace tenure
