// Tenants that go with free objects in their lists. Offline leaves these where they are: what they pin is the parent's to pay, until
// somebody gives them back, in steps.

#include <atomic>
#include <thread>

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

constexpr size_t kObjects = 60000;

struct DepartedFreeTest : TenantTest, testing::WithParamInterface<size_t> {
  // Every second object stays with the program; in pairs, so that no slab becomes empty.
  static void fill(tenure_tenant* tenant, std::vector<void*>& live, size_t objects = kObjects) {
    std::vector<void*> freed;
    for (size_t i = 0; i < objects; ++i) {
      void* const object = tenure_malloc(tenant, GetParam());
      ASSERT_NE(object, nullptr);
      (i % 2 ? freed : live).push_back(object);
    }
    for (void* object : freed) free(object);
  }
  static void release(std::vector<void*>& objects) {
    for (void* object : objects) free(object);
    objects.clear();
  }
};

INSTANTIATE_TEST_SUITE_P(Sizes, DepartedFreeTest, testing::Values(16, 64, 700));

TEST_P(DepartedFreeTest, NothingIsLostOnTheWayBack) {
  Tenant parent("parent"), child("child", parent);
  std::vector<void*> live;
  fill(child, live);
  const size_t used = parent.usage();
  child.offline();
  EXPECT_LE(parent.usage(), used);
  EXPECT_GE(parent.usage(), live.size() * GetParam());
  EXPECT_EQ(tenure_validate(), 0);
  release(live);
  EXPECT_EQ(tenure_reap(), 0u);
  EXPECT_EQ(parent.settled(), 0u);
}

// All of them are free when the tenant goes: the parent gets the memory back when it is short of it, at the first try.
TEST_P(DepartedFreeTest, TheParentHasThemAtItsLimit) {
  Tenant parent("parent"), child("child", parent, TENURE_ISOLATED);
  parent.policy(TENURE_FAIL_ALL);
  std::vector<void*> live;
  fill(child, live);
  release(live);
  const size_t held = parent.usage();
  child.offline();
  const size_t left = parent.usage();
  if (held == 0) GTEST_SKIP() << "nothing stays in lists";
  parent.limit(TENURE_MAX, std::max(held, left) + kMiB);
  std::vector<void*> own;
  for (size_t taken = 0; taken + 64 * kKiB < std::max(held, left); taken += 64 * kKiB) {
    void* const block = tenure_malloc(parent, 60 * kKiB);
    ASSERT_NE(block, nullptr) << taken << " of " << held << " bytes";
    own.push_back(block);
  }
  EXPECT_EQ(parent.stats().failures, 0u);
  release(own);
}

// A sibling's limit is no reason to touch them, an ancestor's is.
TEST_P(DepartedFreeTest, OthersLimitsLeaveThemAlone) {
  Tenant parent("parent"), child("child", parent), other("other");
  std::vector<void*> live;
  fill(child, live);
  child.offline();
  const size_t before = parent.usage();
  other.policy(TENURE_FAIL_ALL);
  other.limit(TENURE_MAX, kMiB);
  EXPECT_EQ(tenure_malloc(other, 8 * kMiB), nullptr);
  EXPECT_EQ(parent.usage(), before);
  release(live);
}

TEST_P(DepartedFreeTest, ControlOperationsGiveThemBackInTime) {
  Tenant parent("parent"), child("child", parent, TENURE_ISOLATED);
  std::vector<void*> live;
  fill(child, live);
  release(live);
  child.offline();
  child.close();
  for (size_t i = 0; parent.usage() != 0 && i < kObjects; ++i) {
    Tenant other("other");
    other.offline();
  }
  EXPECT_EQ(parent.usage(), 0u);
}

// The heap's next growth is where a program that only allocates gets them back.
TEST_P(DepartedFreeTest, AGrowingHeapTakesThem) {
  Tenant parent("parent");
  std::vector<void*> own;
  size_t most = 0;
  for (int round = 0; round < 20; ++round) {
    Tenant child("child", parent, TENURE_ISOLATED);
    std::vector<void*> live;
    fill(child, live);
    release(live);
    most = std::max(most, parent.usage());
    child.offline();
  }
  // Without anybody to give them back, what is left of twenty would add up.
  EXPECT_LE(parent.usage(), 4 * (most + kMiB));
  release(own);
}

// Frees, allocations of the parent at its limit, reaping and further departures at once.
TEST_P(DepartedFreeTest, ManyMayEmptyTheSame) {
  Tenant parent("parent");
  parent.policy(TENURE_FAIL_ALL);
  parent.limit(TENURE_MAX, 64 * kMiB);
  for (int round = 0; round < 3; ++round) {
    std::vector<void*> live[2];
    {
      Tenant a("a", parent), b("b", parent, TENURE_ISOLATED);
      fill(a, live[0], kObjects / 4);
      fill(b, live[1], kObjects / 4);
      a.offline();
      b.offline();
    }
    std::atomic<bool> stop{false};
    std::thread reaping([&] {
      while (!stop) tenure_reap();
    });
    std::thread meeting([&] {
      while (!stop) free(tenure_malloc(parent, 65 * kMiB));
    });
    std::thread freeing([&] { release(live[0]); });
    release(live[1]);
    freeing.join();
    stop = true;
    reaping.join();
    meeting.join();
  }
  EXPECT_EQ(tenure_reap(), 0u);
  EXPECT_EQ(parent.settled(), 0u);
}

}  // namespace
}  // namespace blackbox
