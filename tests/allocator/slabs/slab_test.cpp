#include "allocator/slabs/slab.h"

#include <algorithm>
#include <set>

#include "allocator/fronts/front.h"
#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

class SlabTest : public HeapTest {
protected:
  // Splits a chain into its objects; checks that its length is what it says.
  static std::vector<void*> objects_of(const Cache& cache, ChainWord chain) {
    std::vector<void*> objects;
    const uint16_t length = chain_length(chain, cache.limit);
    while (has_objects(chain)) {
      objects.push_back(first_object(chain));
      const ChainWord rest = load_link(first_object(chain));
      EXPECT_TRUE(follows(rest, chain));
      chain = rest;
    }
    EXPECT_EQ(objects.size(), length);
    return objects;
  }
  static ChainWord chain_of(const Cache& cache, const std::vector<void*>& objects) {
    ChainWord chain = empty_word(cache.limit);
    for (void* object : objects) chain = chain_push(object, chain);
    return chain;
  }
  static uint32_t number_of(const void* object) {
    return arena.page_map.at(granule_of(object)).descriptor.load();
  }
  static RunDescriptor& slab_of(const void* object) {
    return arena.descriptors.at(number_of(object));
  }

  // Everything a first slab has to give, in order.
  static std::vector<void*> take_whole_slab(Cache& cache) {
    std::vector<void*> all = objects_of(cache, create_slab(cache));
    while (!cache.partial.empty()) {
      const auto more = objects_of(cache, take_from_partial(cache));
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }
};

TEST_F(SlabTest, NewSlabIsCarvedInOrderUpToItsCapacity) {
  for (const size_t size : {16, 48, 1024, 4096, 32768}) {
    SCOPED_TRACE(size);
    Cache& cache = fresh_cache(size);
    const std::vector<void*> all = take_whole_slab(cache);
    EXPECT_EQ(all.size(), cache.capacity);
    EXPECT_EQ(cache.slabs.load(), 1u);
    EXPECT_EQ(cache.partial.size(), 0u) << "a slab with nothing to give is on the list";
    char* const base = slab_base(slab_of(all[0]));
    for (size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], base + i * cache.object_size);
    const RunDescriptor& slab = slab_of(all[0]);
    EXPECT_EQ(slab.kind, RunKind::kSlab);
    EXPECT_EQ(slab.cache, &cache);
    for (uint32_t i = 0; i < slab.granules; ++i) {
      const GranuleEntry& entry = arena.page_map.at(slab.granule + i);
      EXPECT_EQ(entry.descriptor.load(), number_of(all[0]));
      EXPECT_EQ(entry.front, arena.rseq ? cache.front_slot.load() : 0);
    }
    EXPECT_EQ(give_to_slabs(cache, chain_of(cache, all)), 1u);
    EXPECT_EQ(cache.slabs.load(), 0u);
    EXPECT_EQ(number_of(all[0]), 0u);
    EXPECT_FALSE(arena.page_heap.is_used(granule_of(all[0])));
  }
}

TEST_F(SlabTest, CarvesAPageAtATime) {
  Cache& cache = fresh_cache(64);
  const auto first = objects_of(cache, create_slab(cache));
  EXPECT_EQ(first.size(), kPageSize / 64);
  const auto second = objects_of(cache, take_from_partial(cache));
  EXPECT_EQ(second.size(), kPageSize / 64);
  EXPECT_EQ(second[0], static_cast<char*>(first.back()) + 64);
  give_to_slabs(cache, chain_of(cache, first));
  give_to_slabs(cache, chain_of(cache, second));
}

TEST_F(SlabTest, WhatComesBackIsTakenBeforeNewObjects) {
  Cache& cache = fresh_cache(256);
  auto held = objects_of(cache, create_slab(cache));
  const std::vector<void*> some = {held[3], held[1], held[7]};
  EXPECT_EQ(give_to_slabs(cache, chain_of(cache, some)), 0u);
  const SlabState state = slab_of(held[0]).state.load();
  EXPECT_EQ(state.free, 3);
  EXPECT_TRUE(state.listed());
  auto back = objects_of(cache, take_from_partial(cache));
  EXPECT_EQ(std::set<void*>(back.begin(), back.end()), std::set<void*>(some.begin(), some.end()));
  give_to_slabs(cache, chain_of(cache, held));
}

TEST_F(SlabTest, FullSlabReturnsToTheListOnce) {
  Cache& cache = fresh_cache(4096);
  const auto all = take_whole_slab(cache);
  give_to_slabs(cache, chain_of(cache, {all[0]}));
  EXPECT_EQ(cache.partial.size(), 1u);
  give_to_slabs(cache, chain_of(cache, {all[1]}));
  EXPECT_EQ(cache.partial.size(), 1u);
  EXPECT_EQ(objects_of(cache, take_from_partial(cache)).size(), 2u);
  EXPECT_EQ(cache.partial.size(), 0u);
  give_to_slabs(cache, chain_of(cache, all));
}

TEST_F(SlabTest, DeadSlabsDescriptorIsRecycledWhenItComesUp) {
  Cache& cache = fresh_cache(4096);
  const auto all = take_whole_slab(cache);
  const uint32_t number = number_of(all[0]);
  give_to_slabs(cache, chain_of(cache, {all[0]}));
  EXPECT_EQ(give_to_slabs(cache, chain_of(cache, {all.begin() + 1, all.end()})), 1u);
  EXPECT_TRUE(arena.descriptors.at(number).state.load().dead());
  EXPECT_EQ(cache.partial.size(), 1u);
  EXPECT_FALSE(has_objects(take_from_partial(cache)));
  EXPECT_EQ(cache.partial.size(), 0u);
  EXPECT_EQ(arena.descriptors.allocate(), number);
  arena.descriptors.release(number);
}

TEST_F(SlabTest, SlabGivenBackAtOnceRecyclesItsDescriptorItself) {
  Cache& cache = fresh_cache(32768);
  const auto all = take_whole_slab(cache);
  const uint32_t number = number_of(all[0]);
  EXPECT_EQ(give_to_slabs(cache, chain_of(cache, all)), 1u);
  EXPECT_EQ(cache.partial.size(), 0u);
  EXPECT_EQ(arena.descriptors.allocate(), number);
  arena.descriptors.release(number);
}

TEST_F(SlabTest, ChainsOfManySlabsFindTheirWay) {
  Cache& cache = fresh_cache(1024);
  std::vector<void*> all;
  for (int i = 0; i < 5; ++i) {
    const auto one = take_whole_slab(cache);
    all.insert(all.end(), one.begin(), one.end());
  }
  EXPECT_EQ(cache.slabs.load(), 5u);
  Random random{7};
  for (size_t i = all.size(); i > 1; --i)
    std::swap(all[i - 1], all[random.below(static_cast<uint32_t>(i))]);
  EXPECT_EQ(give_to_slabs(cache, chain_of(cache, all)), 5u);
  EXPECT_EQ(cache.slabs.load(), 0u);
  while (has_objects(take_from_partial(cache))) ADD_FAILURE() << "a dead slab gave something";
}

TEST_F(SlabTest, DescriptorsAreRecycled) {
  const uint32_t a = arena.descriptors.allocate(), b = arena.descriptors.allocate();
  EXPECT_NE(a, 0u);
  EXPECT_NE(a, b);
  arena.descriptors.release(b);
  arena.descriptors.release(a);
  EXPECT_EQ(arena.descriptors.allocate(), a);
  EXPECT_EQ(arena.descriptors.allocate(), b);
  EXPECT_LT(std::max(a, b), arena.descriptors.end());
  arena.descriptors.release(a);
  arena.descriptors.release(b);
}

TEST_F(SlabTest, DescriptorsRunOut) {
  DescriptorTable table;
  void* memory = os::reserve(kPageSize, kPageSize);
  table.adopt(memory, kPageSize);
  for (uint32_t i = 1; i < kPageSize / sizeof(RunDescriptor); ++i) EXPECT_EQ(table.allocate(), i);
  EXPECT_EQ(table.allocate(), 0u);
  os::release(memory, kPageSize);
}

TEST_F(SlabTest, ThreadsLoseAndDoubleNothing) {
  for (const size_t size : {64, 8192}) {
    Cache& cache = fresh_cache(size);
    std::atomic<uint32_t> wrong{0};
    run_threads(4, [&](int id) {
      Random random{static_cast<uint64_t>(id)};
      std::vector<Stamped> held;
      for (uint32_t round = 0; round < 6000; ++round) {
        if (held.size() < 100) {
          ChainWord chain = take_from_partial(cache);
          if (!has_objects(chain)) chain = create_slab(cache);
          while (has_objects(chain)) {
            void* const object = first_object(chain);
            const ChainWord rest = load_link(object);
            if (!follows(rest, chain)) ++wrong;
            held.emplace_back(object, cache.object_size, static_cast<uint64_t>(id));
            chain = rest;
          }
        }
        ChainWord chain = empty_word(cache.limit);
        const size_t kept = random.below(4) == 0 ? 0 : held.size() / 2;
        while (held.size() > kept) {
          std::swap(held[random.below(static_cast<uint32_t>(held.size()))], held.back());
          if (!held.back().intact()) ++wrong;
          chain = chain_push(held.back().object(), chain);
          held.pop_back();
        }
        give_to_slabs(cache, chain);
      }
      ChainWord chain = empty_word(cache.limit);
      for (const Stamped& stamped : held) chain = chain_push(stamped.object(), chain);
      give_to_slabs(cache, chain);
    });
    EXPECT_EQ(wrong.load(), 0u);
    EXPECT_EQ(cache.slabs.load(), 0u) << "every object came back";
    EXPECT_FALSE(has_objects(take_from_partial(cache)));
  }
}

class SlabDeathTest : public SlabTest {};

TEST_F(SlabDeathTest, ForeignObjectsInAChainAreReported) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  Cache& cache = fresh_cache(256);
  Cache& other = fresh_cache(512);
  const auto objects = objects_of(cache, create_slab(cache));
  alignas(16) static char foreign[16];
  EXPECT_EXIT(give_to_slabs(cache, chain_of(cache, {foreign})), testing::KilledBySignal(SIGABRT),
              "tenure: corrupted chain: pointer 0x");
  EXPECT_EXIT(give_to_slabs(other, chain_of(other, {objects[0]})), testing::KilledBySignal(SIGABRT),
              "tenure: wrong size class: pointer 0x.*, tenant /, class 256");
  EXPECT_EXIT(give_to_slabs(cache, chain_of(cache, {static_cast<char*>(objects[0]) + 16})),
              testing::KilledBySignal(SIGABRT),
              "tenure: interior pointer: pointer 0x.*, tenant /, class 256");
  EXPECT_EXIT(
      {
        give_to_slabs(cache, chain_of(cache, {objects[0], objects[1]}));
        give_to_slabs(cache, chain_of(cache, objects));
      },
      testing::KilledBySignal(SIGABRT), "tenure: double free: pointer 0x");
  give_to_slabs(cache, chain_of(cache, objects));
}

}  // namespace
}  // namespace tenure
