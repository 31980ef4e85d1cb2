// What a small tenant takes: objects of slabs that all tenants share, each charged for itself.

#include <thread>
#include <utility>
#include <vector>

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

using PoolTest = TenantTest;

// Class sizes, so that an object costs what was asked for.
constexpr size_t kObject = 64;

TEST_F(PoolTest, UsageIsExactToTheObject) {
  Tenant shop("shop"), acme("acme", shop), other("other", shop);
  Blocks blocks, others;
  for (size_t i = 1; i <= 100; ++i) {
    ASSERT_TRUE(blocks.add(acme, kObject));
    ASSERT_EQ(acme.usage(), i * kObject);
    ASSERT_EQ(acme.stats().allocated, i * kObject);
    ASSERT_TRUE(others.add(other, kObject));
    ASSERT_EQ(shop.usage(), 2 * i * kObject) << "whatever stands ready for the next ones";
  }
  blocks.clear();
  EXPECT_EQ(acme.usage(), 0u) << "nothing was reclaimed";
  EXPECT_EQ(shop.usage(), 100 * kObject);
  others.clear();
  EXPECT_EQ(shop.usage(), 0u);
}

TEST_F(PoolTest, ManySizesTakeNoSlabs) {
  Tenant acme("acme");
  Blocks blocks;
  size_t bytes = 0;
  for (int round = 0; round < 4; ++round) {
    for (size_t size = 16; size <= 1024; size *= 2) {
      blocks.add_many(acme, size, 4);
      bytes += 4 * size;
    }
  }
  EXPECT_EQ(acme.usage(), bytes);
  blocks.clear();
  EXPECT_EQ(acme.usage(), 0u);
}

TEST_F(PoolTest, LimitsAreExactToTheObject) {
  for (const size_t count : {1, 10, 63, 64, 65, 100}) {
    Tenant shop("shop"), acme("acme", shop), other("other", shop);
    shop.policy(TENURE_FAIL_ALL);
    shop.limit(TENURE_MAX, count * kObject);
    Blocks blocks;
    EXPECT_EQ(blocks.fill(acme, kObject, SIZE_MAX), count * kObject);
    EXPECT_FALSE(blocks.add(other, kObject));
    EXPECT_EQ(shop.stats().failures, 2u);
    blocks.clear();
    // What was given back stands ready for acme, and is other's all the same.
    EXPECT_EQ(blocks.fill(other, kObject, count * kObject), count * kObject);
    EXPECT_EQ(shop.stats().failures, 2u);
    EXPECT_EQ(shop.stats().events[TENURE_EVENT_MAX], 2u)
        << "nothing met the limit because of what stands ready";
  }
}

TEST_F(PoolTest, LimitIsExactOnAllCpus) {
  Tenant acme("acme");
  acme.policy(TENURE_FAIL_ALL);
  // Threads on every CPU leave something ready there.
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 2 * std::thread::hardware_concurrency(); ++i) {
    threads.emplace_back([&] {
      Blocks few;
      few.add_many(acme, kObject, 5);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(acme.usage(), 0u);
  acme.limit(TENURE_MAX, 50 * kObject);
  Blocks blocks;
  EXPECT_EQ(blocks.fill(acme, kObject, SIZE_MAX), 50 * kObject);
}

TEST_F(PoolTest, HighIsNotCrossedEarly) {
  Tenant acme("acme");
  acme.limit(TENURE_HIGH, 50 * kObject);
  Blocks blocks;
  blocks.add_many(acme, kObject, 50);
  EXPECT_EQ(acme.stats().events[TENURE_EVENT_HIGH], 0u);
  ASSERT_TRUE(blocks.add(acme, kObject));
  EXPECT_EQ(acme.stats().events[TENURE_EVENT_HIGH], 1u);
}

TEST_F(PoolTest, HighIsNotCrossedByWhatStandsReady) {
  Tenant acme("acme");
  acme.limit(TENURE_HIGH, 64 * kKiB);
  Blocks blocks;
  ASSERT_TRUE(blocks.add(acme, 16));
  blocks.add_many(acme, 8 * kKiB, 7);
  ASSERT_TRUE(blocks.add(acme, 7 * kKiB));
  EXPECT_EQ(acme.usage(), 16 + 63 * kKiB);
  EXPECT_EQ(acme.stats().events[TENURE_EVENT_HIGH], 0u);
  ASSERT_TRUE(blocks.add(acme, 2 * kKiB));
  EXPECT_EQ(acme.stats().events[TENURE_EVENT_HIGH], 1u);
}

TEST_F(PoolTest, NothingStaysReadyForTheDeparted) {
  Tenant parent("parent");
  for (int i = 0; i < 100; ++i) {
    Tenant child("child", parent);
    Blocks blocks;
    blocks.add_many(child, kObject, 10);
    blocks.clear();
    child.offline();
    ASSERT_EQ(dead_tenants().bytes, 0u) << "round " << i;
    ASSERT_EQ(parent.usage(), 0u);
  }
  EXPECT_EQ(tenure_reap(), 0u);
}

TEST_F(PoolTest, ObjectsOfTheDepartedAreCreditedToTheParent) {
  Tenant parent("parent");
  Blocks blocks;
  {
    Tenant child("child", parent);
    blocks.add_many(child, kObject, 10);
    child.offline();
  }
  EXPECT_EQ(parent.usage(), 10 * kObject);
  EXPECT_EQ(dead_tenants().bytes, 10 * kObject);
  std::thread([&] { blocks.clear(); }).join();
  EXPECT_EQ(parent.usage(), 0u);
  EXPECT_EQ(tenure_reap(), 0u);
  EXPECT_EQ(dead_tenants().count, 0u);
}

// Another thread goes on allocating for tenants while they go: what stands ready never stays behind.
TEST_F(PoolTest, OfflineAgainstAllocation) {
  Tenant parent("parent");
  for (int round = 0; round < 500; ++round) {
    Tenant child("child", parent);
    std::thread user([&] {
      Blocks blocks;
      for (int i = 0; i < 30; ++i) blocks.add(child, kObject);
    });
    child.offline();
    user.join();
    ASSERT_EQ(dead_tenants().bytes, 0u) << "round " << round;
  }
  EXPECT_EQ(parent.settled(), 0u);
  EXPECT_EQ(tenure_reap(), 0u);
}

}  // namespace
}  // namespace blackbox
