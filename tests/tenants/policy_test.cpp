// What happens at max, by policy.

#include <regex>
#include <signal.h>

#include "tests/tenants/support/ending.h"
#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

using PolicyTest = TenantTest;

TEST_F(PolicyTest, FailLargeLeavesSmallRequestsAReserve) {
  Tenant tenant("tenant");
  tenant.limit(TENURE_MAX, 2 * kMiB);
  tenant.limit(TENURE_RESERVE, 512 * kKiB);
  Blocks blocks;
  blocks.fill(tenant, 64 * kKiB, 100 * kMiB);
  EXPECT_LE(tenant.usage(), 2 * kMiB);
  EXPECT_EQ(tenant.events(TENURE_EVENT_OVERDRAW), 0u);
  blocks.fill(tenant, 100, 100 * kMiB);
  EXPECT_GT(tenant.usage(), 2 * kMiB);
  EXPECT_LE(tenant.stats().peak, 2 * kMiB + 512 * kKiB);
  EXPECT_GE(tenant.events(TENURE_EVENT_OVERDRAW), 1u);
  EXPECT_GE(tenant.stats().failures, 2u);
  // Below the limit again, everything is as before.
  blocks.clear();
  EXPECT_TRUE(blocks.add(tenant, kMiB));
}

TEST_F(PolicyTest, FailLargeWithoutAReserve) {
  Tenant tenant("tenant");
  tenant.limit(TENURE_MAX, 2 * kMiB);
  tenant.limit(TENURE_RESERVE, 0);
  Blocks blocks;
  blocks.fill(tenant, 100, 100 * kMiB);
  EXPECT_LE(tenant.stats().peak, 2 * kMiB);
  EXPECT_GT(tenant.stats().peak, kMiB);
  EXPECT_EQ(tenant.events(TENURE_EVENT_OVERDRAW), 0u);
}

TEST_F(PolicyTest, AnAncestorWithoutReserveIsNotOverdrawn) {
  Tenant top("top"), below("below", top);
  top.policy(TENURE_FAIL_ALL);
  top.limit(TENURE_MAX, 3 * kMiB);
  below.limit(TENURE_MAX, 2 * kMiB);
  below.limit(TENURE_RESERVE, 100 * kMiB);
  Blocks blocks;
  blocks.fill(below, 100, 100 * kMiB);
  EXPECT_LE(top.stats().peak, 3 * kMiB);
  EXPECT_GT(below.stats().peak, 2 * kMiB);
}

TEST_F(PolicyTest, ObserveAndEventGrant) {
  for (tenure_policy policy : {TENURE_OBSERVE, TENURE_EVENT}) {
    Tenant tenant("tenant");
    tenant.policy(policy);
    tenant.limit(TENURE_MAX, kMiB);
    Blocks blocks;
    EXPECT_EQ(blocks.fill(tenant, kMiB, 20 * kMiB), 20 * kMiB);
    EXPECT_GE(blocks.fill(tenant, 100, 2 * kMiB), 2 * kMiB);
    const TenantStats stats = tenant.stats();
    EXPECT_GE(stats.usage, 22 * kMiB);
    EXPECT_EQ(stats.failures, 0u);
    EXPECT_GE(stats.events[TENURE_EVENT_MAX], 1u);
    EXPECT_GE(stats.events[TENURE_EVENT_OVERDRAW], 1u);
  }
}

TEST_F(PolicyTest, AbortSaysWhyInOneLine) {
  Tenant shop("shop"), acme("acme", shop);
  shop.policy(TENURE_ABORT);
  shop.limit(TENURE_MAX, kMiB);
  for (size_t size : {size_t(100), 50 * kKiB, 10 * kMiB}) {
    const Ending ending = ending_of([&] {
      for (int i = 0; i < 100000; ++i) tenure_malloc(acme, size);
    });
    EXPECT_TRUE(ending.signalled(SIGABRT)) << ending.status;
    EXPECT_TRUE(std::regex_match(ending.err, std::regex("tenure: [^\n]*tenant /shop[ ,][^\n]*\n")))
        << ending.err;
  }
  // At the limit exactly, or having given up caches, nobody is aborted.
  const Ending ending = ending_of([&] {
    for (int i = 0; i < 100; ++i) free(tenure_malloc(acme, 900 * kKiB));
    for (int round = 0; round < 7; ++round) {
      void* blocks[100];
      for (void*& block : blocks) block = tenure_malloc(acme, size_t(100) << round);
      for (void* block : blocks) free(block);
    }
  });
  EXPECT_EQ(ending.status, 0) << ending.err;
}

TEST_F(PolicyTest, PolicyIsTheOneOfTheTenantWhoseMaxItIs) {
  Tenant top("top"), below("below", top);
  top.limit(TENURE_MAX, kMiB);
  top.policy(TENURE_OBSERVE);
  below.policy(TENURE_FAIL_ALL);
  Blocks blocks;
  EXPECT_EQ(blocks.fill(below, kMiB, 5 * kMiB), 5 * kMiB);
  below.limit(TENURE_MAX, 6 * kMiB);
  EXPECT_LE(blocks.fill(below, kMiB, 5 * kMiB), kMiB);
}

}  // namespace
}  // namespace blackbox
