#include "allocator/control/object_cache.h"

#include <errno.h>

#include "allocator/fronts/depots.h"
#include "tests/allocator/heap/pool_support.h"

namespace tenure {
namespace {

using ObjectCacheTest = PoolTest;

// A thread that allocates while its tenant goes may leave the rest of a chain in the dead cache after the last look at it.
TEST_F(ObjectCacheTest, WhatIsLeftInListsOfTheDepartedIsNotAlive) {
  Tenant& a = make(root_tenant, "a", kIsolatedTenant);
  CacheFamily* family = nullptr;
  ASSERT_EQ(create_object_cache("late", 120, 0, nullptr, &family), 0);
  void* const kept = allocate_object(*family, a);
  void* const late = allocate_object(*family, a);
  Cache& cache = *run_of(late).cache;
  ASSERT_EQ(cache.owner, &a);
  EXPECT_EQ(offline_tenant(a, 0), 0);
  keep_chain(cache, chain_push(late, empty_word(cache.limit)));
  ASSERT_GE(chains_in_depots(cache), 1u);
  size_t live = 0;
  EXPECT_EQ(destroy_object_cache(*family, &live), -EBUSY);
  EXPECT_EQ(live, 1u);
  free_object(*family, kept);
  EXPECT_EQ(destroy_object_cache(*family, &live), 0);
  EXPECT_EQ(live, 0u);
}

}  // namespace
}  // namespace tenure
