// Requests that a tenant and its parent refuse one after the other, while there is something to give up.

#include "tests/tenants/support/ending.h"
#include "tests/tenants/support/evictable.h"
#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

using LevelsTest = TenantTest;

// A child and its sibling fill their parent with objects, and free them all: the memory stays theirs, in caches.
struct Family {
  Family() {
    for (Tenant* tenant : {&parent, &child, &sibling}) tenant->policy(TENURE_FAIL_ALL);
    parent.limit(TENURE_MAX, 8 * kMiB);
  }
  void fill_with_free_objects() {
    Blocks of_child, of_sibling;
    while (child.usage() < kMiB / 2) ASSERT_TRUE(of_child.add(child, 64));
    of_sibling.fill(sibling, 64, 16 * kMiB);
  }

  // With slabs of their own, in which free objects are charged.
  Tenant parent{"parent"}, child{"child", parent, TENURE_ISOLATED},
      sibling{"sibling", parent, TENURE_ISOLATED};
};

TEST_F(LevelsTest, FreeObjectsMakeRoomWhicheverLevelRefusesFirst) {
  for (const size_t max : {kMiB, 4 * kMiB}) {
    Family family;
    family.child.limit(TENURE_MAX, max);
    family.fill_with_free_objects();
    Blocks block;
    EXPECT_TRUE(block.add(family.child, 768 * kKiB)) << max;
    EXPECT_EQ(family.child.stats().failures, 0u);
  }
}

TEST_F(LevelsTest, FreeObjectsMakeRoomBeforeTheParentAborts) {
  Family family;
  family.child.limit(TENURE_MAX, kMiB);
  family.fill_with_free_objects();
  const Ending ending = ending_of([&] {
    family.parent.policy(TENURE_ABORT);
    REQUIRE(tenure_malloc(family.child, 768 * kKiB) != nullptr, "refused");
  });
  EXPECT_EQ(ending.status, 0) << ending.err;
}

struct Pair {
  const char* name;
  tenure_policy child, parent;
  size_t size;
};

class OverdrawnChild : public TenantTest, public testing::WithParamInterface<Pair> {};

// The child may go above its own max. Its parent is full of what shrinkers can evict.
TEST_P(OverdrawnChild, ParentsShrinkersMakeRoom) {
  const Pair& pair = GetParam();
  Evictable evictable;
  Tenant parent("parent"), child("child", parent), sibling("sibling", parent);
  parent.limit(TENURE_MAX, 8 * kMiB);
  child.limit(TENURE_MAX, kMiB);
  parent.policy(TENURE_FAIL_ALL);
  child.policy(pair.child);
  Blocks blocks;
  ASSERT_TRUE(blocks.add(child, kMiB));
  while (parent.usage() < 8 * kMiB) ASSERT_TRUE(evictable.add(sibling, 64 * kKiB));
  parent.policy(pair.parent);
  const TenantStats before = parent.stats();
  EXPECT_TRUE(blocks.add(child, pair.size));
  EXPECT_EQ(child.events(TENURE_EVENT_OVERDRAW), 1u);
  const TenantStats after = parent.stats();
  EXPECT_EQ(after.events[TENURE_EVENT_MAX], before.events[TENURE_EVENT_MAX] + 1);
  EXPECT_EQ(after.failures, before.failures);
  EXPECT_LE(after.usage, 8 * kMiB);
  blocks.clear();
}

INSTANTIATE_TEST_SUITE_P(
    Policies, OverdrawnChild,
    testing::Values(Pair{"Reserve", TENURE_FAIL_LARGE, TENURE_FAIL_ALL, 1000},
                    Pair{"ReserveOfBoth", TENURE_FAIL_LARGE, TENURE_FAIL_LARGE, 1000},
                    Pair{"Observe", TENURE_OBSERVE, TENURE_FAIL_ALL, 1000},
                    Pair{"ObserveLarge", TENURE_OBSERVE, TENURE_FAIL_ALL, kMiB},
                    Pair{"ObserveBelowAbort", TENURE_OBSERVE, TENURE_ABORT, kMiB}),
    [](const auto& suite) { return suite.param.name; });

}  // namespace
}  // namespace blackbox
