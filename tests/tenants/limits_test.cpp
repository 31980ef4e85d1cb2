// Usage, peak and max: what is charged, and that nothing passes a limit.

#include <malloc.h>
#include <new>
#include <thread>

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

using LimitsTest = TenantTest;

// A run is rounded up to whole pages and slabs are filled in steps; more than this is waste.
constexpr size_t kSlack = 256 * kKiB;

TEST_F(LimitsTest, LargeObjectsAreChargedToAllAncestors) {
  Tenant shop("shop"), acme("acme", shop), other("other", shop);
  void* block = tenure_malloc(acme, 50 * kMiB);
  ASSERT_NE(block, nullptr);
  EXPECT_GE(acme.usage(), 50 * kMiB);
  EXPECT_LE(acme.usage(), 50 * kMiB + kSlack);
  EXPECT_EQ(shop.usage(), acme.usage());
  EXPECT_EQ(other.usage(), 0u);
  EXPECT_GE(usage_of(tenure_root()), acme.usage());
  EXPECT_GE(acme.stats().allocated, 50 * kMiB);
  EXPECT_EQ(shop.stats().allocated, 0u) << "objects of a child are not the parent's own";
  free(block);
  EXPECT_EQ(acme.settled(), 0u);
  EXPECT_EQ(shop.usage(), 0u);
  EXPECT_EQ(acme.stats().allocated, 0u);
}

TEST_F(LimitsTest, SmallObjectsAreChargedByTheirSlabs) {
  Tenant shop("shop"), acme("acme", shop);
  for (size_t size : {size_t(1), size_t(16), size_t(64), size_t(500), size_t(4096), 32 * kKiB}) {
    Blocks blocks;
    const size_t count = 4 * kMiB / (size < 16 ? 16 : size);
    blocks.add_many(acme, size, count);
    EXPECT_GE(acme.usage(), count * size) << size;
    EXPECT_LE(acme.usage(), 5 * kMiB + kSlack) << size;
    EXPECT_GE(acme.stats().allocated, count * size) << size;
    EXPECT_EQ(shop.usage(), acme.usage()) << size;
    blocks.clear();
    EXPECT_EQ(acme.settled(), 0u) << size;
    EXPECT_EQ(acme.stats().allocated, 0u) << size;
    EXPECT_EQ(acme.stats().cached, 0u) << size;
    EXPECT_EQ(shop.usage(), 0u) << size;
  }
}

TEST_F(LimitsTest, PeakIsKeptAndBeginsAnew) {
  Tenant shop("shop"), acme("acme", shop);
  free(tenure_malloc(acme, 50 * kMiB));
  EXPECT_EQ(acme.settled(), 0u);
  EXPECT_GE(acme.stats().peak, 50 * kMiB);
  EXPECT_GE(shop.stats().peak, 50 * kMiB);
  tenure_tenant_reset_peak(acme);
  EXPECT_EQ(acme.stats().peak, 0u);
  EXPECT_GE(shop.stats().peak, 50 * kMiB) << "a peak is one tenant's own";
  void* block = tenure_malloc(acme, 10 * kMiB);
  ASSERT_NE(block, nullptr);
  tenure_tenant_reset_peak(shop);
  EXPECT_EQ(shop.stats().peak, shop.usage());
  EXPECT_GE(acme.stats().peak, 10 * kMiB);
  EXPECT_LE(acme.stats().peak, 10 * kMiB + kSlack);
  free(block);
}

// There is room for what it grows by, but something lies behind it, and no room for two.
TEST_F(LimitsTest, ARefusedReallocLeavesNoTrace) {
  constexpr size_t kUnit = 64 * kKiB;
  Tenant tenant("tenant");
  tenant.policy(TENURE_FAIL_ALL);
  for (const size_t units : {3, 5, 40}) {
    void* block = tenure_malloc(tenant, units * kUnit);
    Blocks behind;
    behind.add_many(tenure_root(), kUnit, 64);
    const size_t usage = tenant.usage();
    tenant.limit(TENURE_MAX, usage + usage / 2);
    tenure_tenant_reset_peak(tenant);
    if (void* grown = realloc(block, units * kUnit + usage / 3)) {
      block = grown;  // Moved by its pages.
    } else {
      EXPECT_EQ(tenant.usage(), usage);
      EXPECT_EQ(tenant.stats().peak, usage) << units;
    }
    EXPECT_EQ(realloc(block, units * kUnit + usage), nullptr);
    EXPECT_LE(tenant.stats().peak, tenant.usage());
    free(block);
    tenant.limit(TENURE_MAX, TENURE_UNLIMITED);
  }
  EXPECT_EQ(tenant.settled(), 0u);
}

TEST_F(LimitsTest, ValuesAreKept) {
  Tenant tenant("tenant");
  for (int which = TENURE_MIN; which <= TENURE_RESERVE; ++which)
    for (size_t bytes : {size_t(0), size_t(1), 3 * kMiB, TENURE_UNLIMITED - 1, TENURE_UNLIMITED}) {
      tenant.limit(tenure_limit(which), bytes);
      // A reserve has 56 bits: what is more is unlimited.
      const size_t kept = which == TENURE_RESERVE && bytes > kMiB * kMiB ? TENURE_UNLIMITED : bytes;
      EXPECT_EQ(tenure_tenant_limit(tenant, tenure_limit(which)), kept) << which;
    }
  EXPECT_EQ(tenure_tenant_set_limit(tenant, tenure_limit(17), 1), -EINVAL);
  EXPECT_EQ(tenure_tenant_limit(tenant, tenure_limit(17)), 0u);
  EXPECT_EQ(tenure_tenant_set_policy(tenant, tenure_policy(17)), -EINVAL);
  for (int policy = TENURE_FAIL_LARGE; policy <= TENURE_ABORT; ++policy) {
    tenant.policy(tenure_policy(policy));
    EXPECT_EQ(tenure_tenant_policy(tenant), policy);
  }
}

TEST_F(LimitsTest, MaxIsNotExceededByLargeObjects) {
  Tenant tenant("tenant");
  tenant.limit(TENURE_MAX, 30 * kMiB);
  errno = 0;
  EXPECT_EQ(tenure_malloc(tenant, 100 * kMiB), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_EQ(tenant.usage(), 0u) << "a refused request leaves no trace";
  EXPECT_EQ(tenant.stats().failures, 1u);
  EXPECT_GE(tenant.events(TENURE_EVENT_MAX), 1u);
  Blocks blocks;
  EXPECT_GE(blocks.fill(tenant, kMiB, 100 * kMiB), 28 * kMiB);
  EXPECT_LE(tenant.stats().peak, 30 * kMiB);
  blocks.clear();
  EXPECT_EQ(tenant.settled(), 0u);
  EXPECT_EQ(tenant.events(TENURE_EVENT_OVERDRAW), 0u);
}

TEST_F(LimitsTest, MaxIsNotExceededBySmallObjects) {
  Tenant tenant("tenant");
  tenant.policy(TENURE_FAIL_ALL);
  tenant.limit(TENURE_MAX, 4 * kMiB);
  for (size_t size : {size_t(16), size_t(64), size_t(1000), size_t(8000), 32 * kKiB}) {
    Blocks blocks;
    EXPECT_GE(blocks.fill(tenant, size, 100 * kMiB), 3 * kMiB) << size;
    EXPECT_LE(tenant.stats().peak, 4 * kMiB) << size;
    // What is free again is there for the next request, and nothing is lost by being refused.
    const size_t before = blocks.count();
    blocks.free_every(2);
    Blocks again;
    EXPECT_GE(again.fill(tenant, size, 100 * kMiB), before / 2 * size * 9 / 10) << size;
    EXPECT_LE(tenant.stats().peak, 4 * kMiB) << size;
  }
  EXPECT_EQ(tenant.settled(), 0u);
}

TEST_F(LimitsTest, MaxOfAnAncestorHolds) {
  Tenant top("top"), middle("middle", top), left("left", middle), right("right", top);
  top.limit(TENURE_MAX, 8 * kMiB);
  top.policy(TENURE_FAIL_ALL);
  Blocks blocks;
  EXPECT_GE(blocks.fill(left, 100 * kKiB, 4 * kMiB), 4 * kMiB);
  blocks.fill(right, 200, 100 * kMiB);
  EXPECT_LE(top.stats().peak, 8 * kMiB);
  EXPECT_GT(top.stats().peak, 7 * kMiB);
  EXPECT_GE(top.stats().failures, 1u) << "the tenant whose max it was counts the failure";
  EXPECT_EQ(right.stats().failures, 0u);
  EXPECT_GE(top.events(TENURE_EVENT_MAX), 1u);
  EXPECT_EQ(middle.events(TENURE_EVENT_MAX), 0u);
  EXPECT_EQ(top.usage(), middle.usage() + right.usage());
  // Others are not touched by it.
  free(tenure_malloc(tenure_root(), 20 * kMiB));
}

TEST_F(LimitsTest, EveryEntryPointIsLimited) {
  Tenant tenant("tenant");
  tenant.limit(TENURE_MAX, 4 * kMiB);
  constexpr size_t kTooMuch = 5 * kMiB;
  EXPECT_EQ(tenure_calloc(tenant, kTooMuch / 8, 8), nullptr);
  EXPECT_EQ(tenure_aligned_alloc(tenant, 4096, kTooMuch), nullptr);
  void* grown = tenure_malloc(tenant, kMiB);
  ASSERT_NE(grown, nullptr);
  memset(grown, 0x11, kMiB);
  {
    Inside inside(tenant);
    for (auto attempt :
         {+[] { return malloc(kTooMuch); }, +[] { return calloc(1, kTooMuch); },
          +[] { return aligned_alloc(64, kTooMuch); }, +[] { return memalign(64, kTooMuch); },
          +[] { return valloc(kTooMuch); }, +[] { return realloc(nullptr, kTooMuch); },
          +[] { return operator new(kTooMuch, std::nothrow); }}) {
      errno = 0;
      EXPECT_EQ(attempt(), nullptr);
      EXPECT_EQ(errno, ENOMEM);
    }
    void* out = &out;
    EXPECT_EQ(posix_memalign(&out, 64, kTooMuch), ENOMEM);
    EXPECT_EQ(out, &out);
    bool thrown = false;
    try {
      operator delete(operator new(kTooMuch));
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
    errno = 0;
    EXPECT_EQ(realloc(grown, kTooMuch), nullptr);
    EXPECT_EQ(errno, ENOMEM);
  }
  for (size_t i = 0; i < kMiB; ++i) ASSERT_EQ(static_cast<char*>(grown)[i], 0x11);
  EXPECT_LE(tenant.stats().peak, 4 * kMiB);
  free(grown);
  EXPECT_EQ(tenant.settled(), 0u);
}

TEST_F(LimitsTest, MaxBelowUsage) {
  Tenant tenant("tenant");
  tenant.policy(TENURE_FAIL_ALL);
  Blocks blocks;
  blocks.add_many(tenant, 100 * kKiB, 80);
  const size_t used = tenant.usage();
  tenant.limit(TENURE_MAX, 4 * kMiB);
  EXPECT_EQ(tenant.usage(), used) << "memory in use is never taken away";
  EXPECT_EQ(tenure_malloc(tenant, 100 * kKiB), nullptr);
  EXPECT_EQ(tenure_malloc(tenant, 100), nullptr);
  for (size_t i = 0; i < blocks.count(); ++i)
    EXPECT_EQ(static_cast<char*>(blocks[i])[100 * kKiB - 1], 0x5A);
  blocks.clear();
  tenant.settled();
  EXPECT_TRUE(blocks.add(tenant, 100 * kKiB));
  tenant.limit(TENURE_MAX, 0);
  EXPECT_FALSE(blocks.add(tenant, 100 * kKiB));
  tenant.limit(TENURE_MAX, TENURE_UNLIMITED);
  EXPECT_TRUE(blocks.add(tenant, 10 * kMiB));
}

TEST_F(LimitsTest, LoweredMaxGivesUpCaches) {
  for (tenure_limit which : {TENURE_MAX, TENURE_HIGH}) {
    Tenant tenant("tenant");
    Blocks blocks;
    blocks.add_many(tenant, 200, 40000);
    blocks.clear();
    tenant.limit(which, 1);
    EXPECT_EQ(tenant.usage(), 0u) << which;
  }
}

TEST_F(LimitsTest, CachesAreGivenUpBeforeARequestFails) {
  Tenant top("top"), left("left", top), right("right", top);
  top.limit(TENURE_MAX, 8 * kMiB);
  for (size_t size : {size_t(16), size_t(100), size_t(3000), size_t(20000)}) {
    Blocks blocks;
    blocks.fill(left, size, 6 * kMiB);
    // Freed on whichever CPU.
    std::thread([&] { blocks.clear(); }).join();
    for (tenure_tenant* tenant :
         {static_cast<tenure_tenant*>(left), static_cast<tenure_tenant*>(right)}) {
      void* block = tenure_malloc(tenant, 7 * kMiB);
      EXPECT_NE(block, nullptr) << "beside free objects of " << size;
      free(block);
    }
  }
  EXPECT_EQ(top.stats().failures, 0u);
}

TEST_F(LimitsTest, HighNeverFailsAnything) {
  Tenant tenant("tenant");
  tenant.limit(TENURE_HIGH, kMiB);
  Blocks blocks;
  EXPECT_EQ(blocks.fill(tenant, 100 * kKiB, 31 * kMiB), (31 * kMiB + 102399) / 102400 * 102400);
  EXPECT_GE(blocks.fill(tenant, 100, 4 * kMiB), 4 * kMiB);
  const TenantStats stats = tenant.stats();
  EXPECT_GE(stats.events[TENURE_EVENT_HIGH], 1u);
  EXPECT_EQ(stats.events[TENURE_EVENT_MAX], 0u);
  EXPECT_EQ(stats.failures, 0u);
  EXPECT_GE(stats.usage, 35 * kMiB);
}

TEST_F(LimitsTest, ReclaimSaysWhatItGaveBack) {
  Tenant top("top"), below("below", top);
  Blocks blocks;
  blocks.add_many(below, 64, 20000);
  blocks.add_many(below, 2000, 1000);
  Blocks kept;
  kept.add_many(below, 64, 1000);
  blocks.clear();
  const size_t before = top.usage();
  size_t given = 0;
  while (const size_t some = tenure_reclaim(top, SIZE_MAX)) given += some;
  EXPECT_EQ(before - top.usage(), given);
  EXPECT_EQ(top.usage(), below.usage());
  EXPECT_GE(top.usage(), 64 * 1000u);
  kept.clear();
  EXPECT_EQ(top.settled(), 0u);
}

}  // namespace
}  // namespace blackbox
