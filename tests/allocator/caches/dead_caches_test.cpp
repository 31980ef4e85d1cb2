#include "allocator/caches/dead_caches.h"

#include "allocator/caches/reaper.h"
#include "allocator/fronts/depots.h"
#include "tests/allocator/heap/pool_support.h"

namespace tenure {
namespace {

class DeadCachesTest : public PoolTest {
protected:
  // The child of a tenant that goes with `freed` free objects, of slabs that others keep.
  Tenant& leave(const char* name, size_t freed) {
    Tenant& parent = make(root_tenant, name);
    Tenant& child = make(parent, "child", kIsolatedTenant);
    std::vector<void*> objects;
    for (size_t i = 0; i < 2 * freed; ++i) {
      objects.push_back(take(child, 64));
      if (i % 2 == 0) live.push_back(objects.back());
    }
    for (size_t i = 1; i < objects.size(); i += 2) deallocate(objects[i]);
    EXPECT_EQ(offline_tenant(child, 0), 0);
    return parent;
  }
  void TearDown() override {
    for (void* object : live) deallocate(object);
    PoolTest::TearDown();
  }
  static size_t listed() {
    grace::ReadSection section;
    size_t count = 0;
    for_each_dead_cache([&count](Cache&) { return ++count != 0; });
    return count;
  }
  static uint32_t chains_below(const Tenant& parent) {
    grace::ReadSection section;
    uint32_t chains = 0;
    for_each_dead_cache([&](const Cache& cache) {
      if (cache.owner->parent() == &parent) chains += chains_in_depots(cache);
      return true;
    });
    return chains;
  }
  // Free objects in lists of dead caches.
  static size_t in_lists() {
    HeapStatistics statistics;
    collect_statistics(statistics);
    const ClassStatistics& c = statistics.classes[index_of(class_of(64))];
    return c.in_depot + c.in_fronts;
  }

  std::vector<void*> live;
};

constexpr size_t kMany = 20000;

TEST_F(DeadCachesTest, OfflineGivesNoneBack) {
  leave("a", kMany);
  EXPECT_EQ(listed(), 1u);
  EXPECT_GE(in_lists(), kMany / 2);
}

TEST_F(DeadCachesTest, AStepTakesAsManyAsAskedFor) {
  Tenant& parent = leave("a", kMany);
  const size_t before = in_lists();
  empty_dead_caches(parent, SIZE_MAX, 1000);
  EXPECT_EQ(in_lists(), before - 1000);
  empty_dead_caches(root_tenant, SIZE_MAX, 7);
  EXPECT_EQ(in_lists(), before - 1007);
}

TEST_F(DeadCachesTest, OnlyThoseBelowAreEmptied) {
  Tenant& a = leave("a", kMany);
  Tenant& b = leave("b", kMany);
  const uint32_t of_b = chains_below(b);
  ASSERT_GT(chains_below(a), 1u);
  ASSERT_GT(of_b, 1u);
  empty_dead_caches(a, SIZE_MAX, SIZE_MAX);
  EXPECT_EQ(chains_below(a), 0u);
  EXPECT_EQ(chains_below(b), of_b);
}

TEST_F(DeadCachesTest, TheEmptiedLeaveTheList) {
  leave("a", 5000);
  leave("b", 5000);
  EXPECT_EQ(listed(), 2u);
  empty_dead_caches(root_tenant, SIZE_MAX, SIZE_MAX);
  EXPECT_EQ(in_lists(), 0u);
  {
    MutexGuard guard(tenants_mutex);
    unlist_emptied(1);
  }
  EXPECT_EQ(listed(), 1u);
  {
    MutexGuard guard(tenants_mutex);
    unlist_emptied(SIZE_MAX);
  }
  EXPECT_EQ(listed(), 0u);
}

// Fronts may have been watched when the tenant went.
TEST_F(DeadCachesTest, ListsClosedAtTheirEndAreOpenInDepots) {
  Tenant& child = make(root_tenant, "child", kIsolatedTenant);
  std::vector<void*> objects;
  for (int i = 0; i < 100; ++i) objects.push_back(take(child, 64));
  Cache* used = nullptr;
  {
    const grace::ReadSection section;
    for_each_cache_of(child, [&](Cache& cache) {
      if (cache.object_size == 64) used = &cache;
    });
  }
  ASSERT_NE(used, nullptr);
  const Front front(*used);
  ASSERT_TRUE(front);
  give_to_slabs(*used, front.take_list(Front::kAllocWord));
  ChainWord chain = empty_word(used->limit), rest = kClosedWord;
  for (int i = 0; i < 10; ++i) {
    chain = chain_push(objects.back(), chain);
    objects.pop_back();
  }
  ASSERT_TRUE(front.install(close_at_end(chain, 10, &rest)));
  ASSERT_EQ(offline_tenant(child, 0), 0);
  const ChainWord kept = used->depot.pop();
  ASSERT_TRUE(has_objects(kept));
  EXPECT_EQ(chain_length(kept, used->limit), 10u);
  give_to_slabs(*used, kept);
  for (void* object : objects) deallocate(object);
}

TEST_F(DeadCachesTest, AForkChildFindsThemAgain) {
  leave("a", 5000);
  const size_t before = in_lists();
  {
    MutexGuard guard(tenants_mutex);
    repair_reaper_after_fork();
    EXPECT_EQ(listed(), 0u);
    reap_heaps(SIZE_MAX);
  }
  EXPECT_EQ(listed(), 1u);
  EXPECT_EQ(in_lists(), before);
}

TEST_F(DeadCachesTest, GrowthEmptiesThem) {
  leave("a", kMany);
  std::vector<void*> own;
  for (int i = 0; i < 100; ++i) own.push_back(allocate(2 * kMiB));
  EXPECT_EQ(in_lists(), 0u);
  for (void* object : own) deallocate(object);
}

}  // namespace
}  // namespace tenure
