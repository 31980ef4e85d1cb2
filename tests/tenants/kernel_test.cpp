// The scenarios of the kernel's own tests of memory cgroups, tools/testing/selftests/cgroup/test_kmem.c and
// test_memcontrol.c, with objects of a heap for dentries, pages and page cache. Here, by the kernel's names:
//   test_kmem_basic, test_memcg_current_peak, _min, _low, _high, _high_sync, _max, _reclaim, _oom_events
// In departed_test.cpp: test_kmem_memcg_deletion, test_kmem_dead_cgroups, test_percpu_basic.
// Left out, as there is nothing of the kind: subtree_control, kpagecgroup, kernel_stacks, swap, sock, oom_group.

#include "tests/tenants/support/evictable.h"
#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

using KernelTest = TenantTest;

// For the kernel's megabyte. What page cache is there are evictable objects here, a granule each.
constexpr size_t kUnit = 256 * kKiB;
constexpr size_t kGranule = 32 * kKiB;

// As values_close() there: within `percent` of the sum of both.
bool close_to(size_t a, size_t b, size_t percent) {
  return (a > b ? a - b : b - a) <= (a + b) / 100 * percent;
}

void fill_cache(Evictable& cache, tenure_tenant* tenant, size_t bytes) {
  for (size_t done = 0; done < bytes; done += kGranule) ASSERT_TRUE(cache.add(tenant, kGranule));
}

TEST_F(KernelTest, KmemBasic) {
  Tenant tenant("kmem_basic_test");
  Evictable cache;
  for (int i = 0; i < 100000; ++i) ASSERT_TRUE(cache.add(tenant, 192));
  const size_t before = tenant.usage();
  EXPECT_GT(before, kMiB);
  tenant.limit(TENURE_HIGH, kMiB);
  EXPECT_LT(tenant.usage(), before / 2);
  EXPECT_LE(tenant.usage(), kMiB + 128 * kKiB);
}

TEST_F(KernelTest, CurrentAndPeak) {
  Tenant tenant("memcg_test");
  EXPECT_EQ(tenant.usage(), 0u);
  EXPECT_EQ(tenant.stats().peak, 0u);
  const auto use_50 = [&] {
    void* block = tenure_malloc(tenant, 50 * kUnit);
    EXPECT_TRUE(close_to(tenant.usage(), 50 * kUnit, 3));
    EXPECT_TRUE(close_to(tenant.stats().allocated, tenant.usage(), 3));
    free(block);
  };
  use_50();
  EXPECT_GE(tenant.stats().peak, 50 * kUnit);
  tenure_tenant_reset_peak(tenant);
  EXPECT_LE(tenant.stats().peak, 30 * kUnit);
  use_50();
  EXPECT_GE(tenant.stats().peak, 50 * kUnit);
}

// A   max = 200, B and G below it; below B, with 50 of cache each but for F:
// B   protected 50;   C 75;   D 25;   E 0;   F 500
struct Protected {
  Tenant a{"a"}, b{"b", a}, g{"g", a};
  Tenant c{"c", b}, d{"d", b}, e{"e", b}, f{"f", b};
  Evictable cache;

  explicit Protected(tenure_limit which) {
    a.policy(TENURE_FAIL_ALL);
    a.limit(TENURE_MAX, 200 * kUnit);
    b.limit(which, 50 * kUnit);
    c.limit(which, 75 * kUnit);
    d.limit(which, 25 * kUnit);
    f.limit(which, 500 * kUnit);
    for (Tenant* tenant : {&c, &d, &e}) fill_cache(cache, *tenant, 50 * kUnit);
  }
  size_t units(const Tenant& tenant) const { return tenant.usage() / kUnit; }
  // What is not to be had back, as anonymous memory there.
  size_t press(size_t bytes) {
    Blocks blocks;
    return blocks.fill(g, kGranule, bytes);
  }
  // By as much as is asked for, whatever the protection: it is the target's own.
  void reclaim_until(const Tenant& tenant, size_t goal) {
    const size_t before = tenant.usage();
    ASSERT_GT(before, goal);
    const size_t given = tenure_reclaim(tenant, before - goal);
    EXPECT_GE(given, before - goal);
    EXPECT_EQ(before - tenant.usage(), given);
    EXPECT_TRUE(close_to(tenant.usage(), goal, 3)) << tenant.usage() << ", goal " << goal;
  }
};

void expect_shared_in_proportion(const Protected& tree) {
  EXPECT_TRUE(close_to(tree.b.usage(), 50 * kUnit, 3)) << tree.units(tree.b);
  EXPECT_TRUE(close_to(tree.c.usage(), 29 * kUnit, 15)) << tree.units(tree.c);
  EXPECT_TRUE(close_to(tree.d.usage(), 21 * kUnit, 20)) << tree.units(tree.d);
  EXPECT_LE(tree.units(tree.e), 3u);
  EXPECT_EQ(tree.f.usage(), 0u);
}

TEST_F(KernelTest, Min) {
  Protected tree(TENURE_MIN);
  EXPECT_EQ(tree.press(148 * kUnit), 148 * kUnit);
  expect_shared_in_proportion(tree);
  EXPECT_LT(tree.press(170 * kUnit), 170 * kUnit) << "rather fail than take what min protects";
  EXPECT_TRUE(close_to(tree.b.usage(), 50 * kUnit, 3)) << tree.units(tree.b);
  EXPECT_GE(tree.a.stats().failures, 1u);
  tree.reclaim_until(tree.c, 10 * kUnit);
  for (const Tenant* tenant : {&tree.c, &tree.d, &tree.e, &tree.f})
    EXPECT_EQ(tenant->events(TENURE_EVENT_LOW), 0u);
}

TEST_F(KernelTest, Low) {
  Protected tree(TENURE_LOW);
  EXPECT_EQ(tree.press(148 * kUnit), 148 * kUnit);
  expect_shared_in_proportion(tree);
  for (const Tenant* tenant : {&tree.c, &tree.d, &tree.e, &tree.f})
    EXPECT_EQ(tenant->events(TENURE_EVENT_LOW), 0u) << "nothing below low was taken so far";
  EXPECT_EQ(tree.press(170 * kUnit), 170 * kUnit) << "low gives way";
  EXPECT_TRUE(close_to(tree.b.usage(), 30 * kUnit, 3)) << tree.units(tree.b);
  EXPECT_EQ(tree.a.stats().failures, 0u);
  EXPECT_GT(tree.c.events(TENURE_EVENT_LOW), 0u);
  EXPECT_GT(tree.d.events(TENURE_EVENT_LOW), 0u);
  EXPECT_EQ(tree.f.events(TENURE_EVENT_LOW), 0u);
  tree.reclaim_until(tree.c, 10 * kUnit);
}

// What can go is kept near high, at the places where a service waits; what cannot may exceed it.
TEST_F(KernelTest, High) {
  Tenant tenant("memcg_test");
  EXPECT_EQ(tenure_tenant_limit(tenant, TENURE_HIGH), TENURE_UNLIMITED);
  tenant.limit(TENURE_HIGH, 30 * kUnit);
  {
    Blocks blocks;
    EXPECT_GE(blocks.fill(tenant, kGranule, 31 * kUnit), 31 * kUnit);
  }
  Evictable cache;
  Inside inside(tenant);
  for (size_t done = 0; done < 50 * kUnit; done += kGranule) {
    ASSERT_TRUE(cache.add(tenant, kGranule));
    tenure_checkpoint();
  }
  EXPECT_TRUE(close_to(tenant.usage(), 30 * kUnit, 5)) << tenant.usage() / kUnit;
  EXPECT_GT(tenant.events(TENURE_EVENT_HIGH), 0u);
}

// One request that is far above high, below max.
TEST_F(KernelTest, HighSync) {
  Tenant tenant("memcg_test");
  tenant.limit(TENURE_HIGH, 30 * kUnit);
  tenant.limit(TENURE_MAX, 240 * kUnit);
  void* block = tenure_malloc(tenant, 200 * kUnit);
  EXPECT_NE(block, nullptr);
  EXPECT_EQ(tenant.events(TENURE_EVENT_HIGH), 1u);
  EXPECT_EQ(tenant.events(TENURE_EVENT_MAX), 0u);
  free(block);
}

TEST_F(KernelTest, Max) {
  Tenant tenant("memcg_test");
  EXPECT_EQ(tenure_tenant_limit(tenant, TENURE_MAX), TENURE_UNLIMITED);
  tenant.limit(TENURE_MAX, 30 * kUnit);
  EXPECT_EQ(tenure_malloc(tenant, 100 * kUnit), nullptr);
  Evictable cache;
  fill_cache(cache, tenant, 50 * kUnit);
  EXPECT_TRUE(close_to(tenant.usage(), 30 * kUnit, 5)) << tenant.usage() / kUnit;
  EXPECT_LE(tenant.stats().peak, 30 * kUnit);
  EXPECT_GT(tenant.events(TENURE_EVENT_MAX), 0u);
}

// As much as asked for, and no more than belongs to it: from caches as well as from shrinkers.
TEST_F(KernelTest, Reclaim) {
  Tenant tenant("memcg_test");
  Evictable cache;
  fill_cache(cache, tenant, 50 * kUnit);
  Blocks blocks;
  blocks.add_many(tenant, 1000, 10000);
  blocks.clear();
  const size_t before = tenant.usage();
  const size_t given = tenure_reclaim(tenant, before - 30 * kUnit);
  EXPECT_GE(given, before - 30 * kUnit);
  EXPECT_EQ(before - tenant.usage(), given);
  EXPECT_TRUE(close_to(tenant.usage(), 30 * kUnit, 3)) << tenant.usage() / kUnit;
  EXPECT_EQ(tenure_reclaim(tenant, 0), 0u);
  EXPECT_EQ(tenant.settled(), 0u);
  EXPECT_EQ(tenure_reclaim(tenant, kUnit), 0u) << "there is nothing left";
}

TEST_F(KernelTest, OutOfMemoryEvents) {
  Tenant parent("parent"), child("child", parent);
  child.limit(TENURE_MAX, 30 * kUnit);
  EXPECT_EQ(tenure_malloc(child, 100 * kUnit), nullptr);
  EXPECT_EQ(child.events(TENURE_EVENT_MAX), 1u);
  EXPECT_EQ(child.stats().failures, 1u);
  EXPECT_EQ(parent.events(TENURE_EVENT_MAX), 0u) << "events are local, as memory.events.local";
  EXPECT_EQ(child.usage(), 0u);
}

}  // namespace
}  // namespace blackbox
