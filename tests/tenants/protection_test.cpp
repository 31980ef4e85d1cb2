// What min and low protect: what a tenant keeps, from the needs of its neighbours.

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

using ProtectionTest = TenantTest;

// Free objects that a tenant keeps are what reclaim could take.
size_t fill_caches(tenure_tenant* tenant) {
  Blocks blocks;
  blocks.add_many(tenant, 64, 8192);
  blocks.clear();
  return usage_of(tenant);
}

struct Pressed {
  Tenant top{"top"}, middle{"middle", top}, kept{"kept", middle}, greedy{"greedy", top};

  // The neighbour takes all there is below the common max.
  void press() {
    top.limit(TENURE_MAX, top.usage() + kMiB);
    Blocks blocks;
    blocks.fill(greedy, 40 * kKiB, 100 * kMiB);
  }
};

TEST_F(ProtectionTest, MinIsNotTakenForOthers) {
  Pressed tree;
  const size_t cached = fill_caches(tree.kept);
  tree.middle.limit(TENURE_MIN, 64 * kMiB);
  tree.kept.limit(TENURE_MIN, 64 * kMiB);
  tree.press();
  EXPECT_EQ(tree.kept.usage(), cached);
  EXPECT_EQ(tree.kept.events(TENURE_EVENT_LOW), 0u);
  // Its own reclaim ignores it.
  EXPECT_EQ(tree.kept.settled(), 0u);
}

TEST_F(ProtectionTest, MinHoldsAsFarAsTheParentHasIt) {
  Pressed tree;
  fill_caches(tree.kept);
  tree.kept.limit(TENURE_MIN, 64 * kMiB);
  tree.press();
  EXPECT_EQ(tree.kept.usage(), 0u) << "protected by a parent that has no protection";
}

TEST_F(ProtectionTest, LowIsTakenLastAndCounted) {
  Pressed tree;
  const size_t cached = fill_caches(tree.kept);
  tree.middle.limit(TENURE_LOW, 64 * kMiB);
  tree.kept.limit(TENURE_LOW, 64 * kMiB);
  Tenant unprotected("unprotected", tree.top);
  const size_t other = fill_caches(unprotected);
  if (cached == 0 || other == 0) return;  // This mode keeps no free objects.
  tree.top.limit(TENURE_MAX, tree.top.usage());
  void* block = tenure_malloc(tree.greedy, other);
  EXPECT_NE(block, nullptr);
  EXPECT_EQ(tree.kept.usage(), cached) << "there was something else to take";
  EXPECT_EQ(tree.kept.events(TENURE_EVENT_LOW), 0u);
  tree.press();
  EXPECT_LT(tree.kept.usage(), cached);
  EXPECT_GE(tree.kept.events(TENURE_EVENT_LOW), 1u);
  free(block);
}

}  // namespace
}  // namespace blackbox
