#include "allocator/slabs/holes.h"

#include <algorithm>
#include <set>

#include "allocator/fronts/depots.h"
#include "rcu/grace.h"
#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

class HolesTest : public HeapTest {
protected:
  static std::vector<void*> objects_of(ChainWord chain) {
    std::vector<void*> objects;
    for (; has_objects(chain); chain = load_link(first_object(chain)))
      objects.push_back(first_object(chain));
    return objects;
  }
  static void give(Cache& cache, const std::vector<void*>& objects) {
    ChainWord chain = empty_word(cache.limit);
    for (void* object : objects) chain = chain_push(object, chain);
    if (has_objects(chain)) give_to_slabs(cache, chain);
  }
  static uint32_t number_of(const void* object) {
    return arena.page_map.at(granule_of(object)).descriptor.load();
  }
  static RunDescriptor& slab_of(const void* object) {
    return arena.descriptors.at(number_of(object));
  }
  static size_t collect(const void* object, uint32_t least = 1) {
    const grace::ReadSection section;
    return collect_slab(number_of(object), least);
  }
  static size_t resident(void* object) {
    RunDescriptor& slab = slab_of(object);
    return os::resident_pages(slab_base(slab), slab.granules * kGranuleSize);
  }
  // All objects of a new slab, written to.
  static std::vector<void*> whole_slab(Cache& cache) {
    std::vector<void*> all = objects_of(create_slab(cache));
    while (all.size() < cache.capacity) {
      for (void* object : objects_of(take_from_partial(cache))) all.push_back(object);
    }
    for (void* object : all) memset(object, 1, cache.object_size);
    std::sort(all.begin(), all.end());
    return all;
  }
  // Whatever the cache has to give without a new slab.
  static std::vector<void*> take_rest(Cache& cache) {
    std::vector<void*> all;
    for (;;) {
      const std::vector<void*> more = objects_of(take_from_partial(cache));
      if (more.empty()) return all;
      for (void* object : more) memset(object, 2, cache.object_size);
      all.insert(all.end(), more.begin(), more.end());
    }
  }
  // Gives all but every `kept`th object back. Returns the objects that live.
  static std::vector<void*> keep_every(Cache& cache, const std::vector<void*>& all, size_t kept) {
    std::vector<void*> live, gone;
    for (size_t i = 0; i < all.size(); ++i) (i % kept == 0 ? live : gone).push_back(all[i]);
    give(cache, gone);
    return live;
  }
};

TEST_F(HolesTest, PagesWithoutLiveObjectsReturnAndComeBack) {
  for (const size_t size : {16, 48, 512, 640, 1280, 5120, 8192, 32768}) {
    SCOPED_TRACE(size);
    Cache& cache = fresh_cache(size);
    const std::vector<void*> all = whole_slab(cache);
    const std::vector<void*> live(all.begin(), all.begin() + 1);
    give(cache, {all.begin() + 1, all.end()});
    const size_t before = resident(all[0]), bytes = collect(all[0]);
    EXPECT_GT(bytes, 0u);
    EXPECT_EQ(resident(all[0]), before - bytes / kPageSize);
    // One page has the live object; another may have its end.
    EXPECT_LE(before - bytes / kPageSize, size / kPageSize + 2 + kGranuleSize / 8 / kPageSize);
    EXPECT_STREQ(validate_heap(), nullptr);
    EXPECT_EQ(slab_of(all[0]).state.load().free, cache.capacity - 1);
    const std::vector<void*> again = take_rest(cache);
    EXPECT_EQ(std::set<void*>(again.begin(), again.end()),
              std::set<void*>(all.begin() + 1, all.end()));
    EXPECT_EQ(again.size(), all.size() - 1) << "an object came twice";
    EXPECT_EQ(slab_of(all[0]).purged, 0u);
    EXPECT_EQ(static_cast<unsigned char*>(all[0])[size - 1], 1) << "a live object was lost";
    EXPECT_STREQ(validate_heap(), nullptr);
    give(cache, again);
    give(cache, live);
    EXPECT_EQ(cache.slabs.load(), 0u);
  }
}

TEST_F(HolesTest, SlabWithHolesDiesWhole) {
  for (const bool last_free_is_a_hole : {false, true}) {
    Cache& cache = fresh_cache(4096);
    const std::vector<void*> all = whole_slab(cache);
    give(cache, {all.begin() + 1, all.end()});
    ASSERT_EQ(collect(all[0]), (all.size() - 1) * kPageSize);
    EXPECT_EQ(slab_of(all[0]).state.load().holes(), all.size() - 1);
    if (last_free_is_a_hole) EXPECT_EQ(collect(all[0]), 0u) << "nothing more to return";
    give(cache, {all[0]});
    EXPECT_EQ(cache.slabs.load(), 0u);
    EXPECT_EQ(take_rest(cache).size(), 0u);
  }
}

TEST_F(HolesTest, MemoryThatIsThereIsUsedFirst) {
  Cache& cache = fresh_cache(512);
  const std::vector<void*> first = whole_slab(cache), second = whole_slab(cache);
  std::vector<void*> live{first[0], second[0]};
  give(cache, {first.begin() + 1, first.end()});
  ASSERT_GT(collect(first[0]), 0u);
  // The rest of the first page is on the list of the slab; then it has holes alone.
  EXPECT_EQ(objects_of(take_from_partial(cache)).size(), kPageSize / 512 - 1);
  give(cache, {second.begin() + 1, second.end()});
  EXPECT_EQ(objects_of(take_from_partial(cache)).size(), second.size() - 1);
  EXPECT_FALSE(objects_of(take_from_partial(cache)).empty()) << "holes come last, but come";
  take_rest(cache);
  give(cache, first);
  give(cache, second);
  EXPECT_EQ(cache.slabs.load(), 0u);
}

TEST_F(HolesTest, FreesGoOnWhileThereAreHoles) {
  Cache& cache = fresh_cache(640);
  const std::vector<void*> all = whole_slab(cache);
  std::vector<void*> live = keep_every(cache, all, 25);
  ASSERT_GT(collect(all[0]), 0u);
  const size_t holes = slab_of(all[0]).state.load().holes();
  EXPECT_GT(holes, 0u);
  // Another object comes back, and lets more pages go: holes of before stay holes.
  give(cache, {live.back()});
  live.pop_back();
  EXPECT_GT(collect(all[0]), 0u);
  EXPECT_GT(slab_of(all[0]).state.load().holes(), holes);
  EXPECT_STREQ(validate_heap(), nullptr);
  give(cache, take_rest(cache));
  give(cache, live);
  EXPECT_EQ(cache.slabs.load(), 0u);
}

TEST_F(HolesTest, StatisticsKnowThem) {
  Cache& cache = root_caches[index_of(class_of(4096))];
  trim();
  const std::vector<void*> all = whole_slab(cache);
  give(cache, {all.begin() + 1, all.end()});
  HeapStatistics before, after;
  collect_statistics(before);
  const size_t bytes = collect(all[0]);
  collect_statistics(after);
  EXPECT_GT(bytes, 0u);
  EXPECT_EQ(after.resident_bytes(), before.resident_bytes() - bytes);
  EXPECT_EQ(after.untouched_bytes, before.untouched_bytes + bytes);
  EXPECT_EQ(after.allocated_bytes, before.allocated_bytes);
  EXPECT_EQ(after.cached_bytes, before.cached_bytes);
  give(cache, {all[0]});
}

TEST_F(HolesTest, VisitsAskForIdlenessAndForMore) {
  Cache& cache = fresh_cache(512);
  const std::vector<void*> all = whole_slab(cache);
  std::vector<void*> live = keep_every(cache, all, 2);
  const uint32_t number = number_of(all[0]);
  EXPECT_EQ(bytes_to_collect(number, VisitKind::kIdle), 0u) << "just used";
  EXPECT_GT(bytes_to_collect(number, VisitKind::kIdle), 0u);
  std::vector<void*> taken = objects_of(take_from_partial(cache));
  EXPECT_EQ(bytes_to_collect(number, VisitKind::kIdle), 0u) << "nothing is free";
  give(cache, taken);
  EXPECT_EQ(bytes_to_collect(number, VisitKind::kIdle), 0u) << "used in between";
  EXPECT_GT(bytes_to_collect(number, VisitKind::kIdle), 0u);
  collect(all[0]);
  EXPECT_EQ(bytes_to_collect(number, VisitKind::kAtOnce), 0u)
      << "collected, and nothing more is free";
  give(cache, {live.end() - 8, live.end()});
  live.resize(live.size() - 8);
  EXPECT_GT(bytes_to_collect(number, VisitKind::kIdle), 0u);
  give(cache, live);
}

TEST_F(HolesTest, SlabsWithoutAPlaceForTheMapAreLeftAlone) {
  EXPECT_FALSE(may_collect(pool_caches[index_of(class_of(512))]));
  Cache& cache = fresh_cache(512);
  EXPECT_TRUE(may_collect(cache));
  // A collector that has got hold of such a slab by a stale number gives back what it took.
  const std::vector<void*> all = whole_slab(cache);
  slab_of(all[0]).collected = false;
  std::vector<void*> live = keep_every(cache, all, 16);
  EXPECT_EQ(bytes_to_collect(number_of(all[0]), VisitKind::kAtOnce), 0u);
  EXPECT_EQ(collect(all[0]), 0u);
  EXPECT_EQ(slab_of(all[0]).state.load().free, all.size() - live.size());
  EXPECT_FALSE(slab_of(all[0]).state.load().map_taken());
  give(cache, live);
  EXPECT_EQ(cache.slabs.load(), 0u);
}

// Threads that fill slabs and empty them for the most part, beside others that collect all the while.
TEST_F(HolesTest, CollectorsAndUsersAtATime) {
  constexpr int kUsers = 2;
  for (const size_t size : {64, 640, 4096, 5120}) {
    SCOPED_TRACE(size);
    std::atomic<int> users{kUsers};
    std::atomic<uint32_t> rounds{0};
    std::atomic<size_t> returned{0}, broken{0};
    run_threads(kUsers + 2, [&](int id) {
      for (; id >= kUsers && users.load() > 0; ++rounds) {
        for (uint32_t number = 1; number < arena.descriptors.end(); ++number) {
          const grace::ReadSection section;
          if (arena.descriptors.at(number).kind == RunKind::kSlab)
            returned += collect_slab(number, 1);
        }
      }
      if (id >= kUsers) return;
      Random random{static_cast<uint64_t>(id) + size};
      std::vector<Stamped> live(2 * kMiB / size);
      const auto refill = [&](Stamped& place, bool wanted) {
        broken += !place.intact();
        if (place.object()) deallocate(place.object());
        place = wanted ? Stamped(allocate(size), size, random.next()) : Stamped();
      };
      for (int cycle = 0; cycle < 6; ++cycle) {
        for (Stamped& place : live) refill(place, true);
        for (size_t i = 0; i < live.size(); ++i) refill(live[i], i % 100 == 0);
        trim();
        const uint32_t before = rounds.load();
        while (rounds.load() - before < 4) refill(live[random.below(100) % live.size()], true);
      }
      for (Stamped& place : live) refill(place, false);
      --users;
    });
    EXPECT_EQ(broken.load(), 0u);
    EXPECT_GT(returned.load(), 0u);
    trim();
  }
}

}  // namespace
}  // namespace tenure
