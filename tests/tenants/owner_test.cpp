// Who is charged: the tenant an object was allocated for, whoever frees it, and until it is
// transferred.

#include <malloc.h>
#include <new>
#include <signal.h>
#include <thread>

#include "tests/blackbox/support/pattern.h"
#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

using OwnerTest = TenantTest;

constexpr size_t kSizes[] = {1, 16, 100, 1000, 5000, 32 * kKiB, 33 * kKiB, 300 * kKiB, 3 * kMiB};

TEST_F(OwnerTest, IsTheOneItWasAllocatedFor) {
  Tenant acme("acme"), other("other");
  const uint32_t id = tenure_tenant_id(acme);
  for (size_t size : kSizes) {
    Blocks blocks;
    blocks.keep(tenure_malloc(acme, size));
    blocks.keep(tenure_calloc(acme, 1, size));
    EXPECT_TRUE(is_zero(blocks[1], size)) << size;
    blocks.keep(tenure_aligned_alloc(acme, 256, size));
    EXPECT_EQ(uintptr_t(blocks[2]) % 256, 0u);
    {
      Inside inside(acme);
      blocks.keep(malloc(size));
      blocks.keep(calloc(1, size));
      blocks.keep(aligned_alloc(64, size));
      blocks.keep(realloc(nullptr, size));
      blocks.keep(memalign(4096, size));
      blocks.keep(operator new(size));
      blocks.keep(operator new(size, std::align_val_t(128)));
    }
    for (size_t i = 0; i < blocks.count(); ++i)
      EXPECT_EQ(owner_id(blocks[i]), id) << size << ", entry point " << i;
    void* roots = malloc(size);
    EXPECT_EQ(owner_id(roots), 0u);
    free(roots);
    EXPECT_EQ(tenure_owner(roots = malloc(size)), tenure_root());
    free(roots);
    // Freed from within another tenant.
    Inside elsewhere(other);
    blocks.clear();
    EXPECT_EQ(acme.settled(), 0u) << size;
    EXPECT_EQ(other.usage(), 0u) << size;
  }
}

TEST_F(OwnerTest, BadAlignmentIsInvalid) {
  Tenant acme("acme");
  errno = 0;
  EXPECT_EQ(tenure_aligned_alloc(acme, 48, 100), nullptr);
  EXPECT_EQ(errno, EINVAL);
  errno = 0;
  EXPECT_EQ(tenure_calloc(acme, SIZE_MAX / 2, 4), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  errno = 0;
  EXPECT_EQ(tenure_malloc(acme, SIZE_MAX), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_EQ(acme.usage(), 0u);
}

TEST_F(OwnerTest, IsCreditedByAnyThread) {
  Tenant acme("acme"), other("other");
  for (size_t size : kSizes) {
    Blocks blocks;
    blocks.add_many(acme, size, size < 10000 ? 2000 : 5);
    EXPECT_GE(acme.usage(), size);
    std::thread([&] {
      Inside elsewhere(other);
      blocks.clear();
    }).join();
    EXPECT_EQ(acme.settled(), 0u) << size;
    EXPECT_EQ(other.settled(), 0u) << size;
  }
}

std::atomic<void*> for_handler;

TEST_F(OwnerTest, IsCreditedByASignalHandler) {
  Tenant acme("acme"), other("other");
  struct sigaction action = {}, old;
  action.sa_handler = [](int) {
    free(for_handler.exchange(nullptr));
    for_handler = malloc(300);
  };
  ASSERT_EQ(sigaction(SIGUSR1, &action, &old), 0);
  {
    Inside elsewhere(other);
    for (int i = 0; i < 1000; ++i) {
      for_handler = tenure_malloc(acme, 200);
      raise(SIGUSR1);
      ASSERT_EQ(owner_id(for_handler), tenure_tenant_id(other))
          << "a handler allocates for the tenant it interrupts";
      free(for_handler.exchange(nullptr));
    }
  }
  sigaction(SIGUSR1, &old, nullptr);
  EXPECT_EQ(acme.settled(), 0u);
  EXPECT_EQ(other.settled(), 0u);
}

TEST_F(OwnerTest, SurvivesRealloc) {
  Tenant acme("acme"), other("other");
  Inside elsewhere(other);
  size_t size = 10;
  void* block = tenure_malloc(acme, size);
  fill_pattern(block, size, 1);
  for (size_t next : {size_t(20), size_t(2000), 20 * kKiB, 200 * kKiB, 5 * kMiB, kMiB, 30 * kKiB,
                      size_t(50), 700 * kKiB, size_t(1)}) {
    block = realloc(block, next);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(find_mismatch(block, size, 1, std::min(size, next)), kNoMismatch) << next;
    EXPECT_EQ(owner_id(block), tenure_tenant_id(acme)) << next;
    size = next;
    fill_pattern(block, size, 1);
    EXPECT_GE(acme.usage(), size);
  }
  free(block);
  EXPECT_EQ(acme.settled(), 0u);
  EXPECT_EQ(other.settled(), 0u);
}

TEST_F(OwnerTest, LimitHoldsForRealloc) {
  Tenant acme("acme");
  acme.policy(TENURE_FAIL_ALL);
  acme.limit(TENURE_MAX, 2 * kMiB);
  for (size_t size : {size_t(100), 100 * kKiB, kMiB}) {
    void* block = tenure_malloc(acme, size);
    ASSERT_NE(block, nullptr);
    fill_pattern(block, size, 7);
    errno = 0;
    EXPECT_EQ(realloc(block, 3 * kMiB), nullptr) << "by a thread in the root";
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(find_mismatch(block, size, 7), kNoMismatch);
    EXPECT_EQ(owner_id(block), tenure_tenant_id(acme));
    free(block);
  }
  EXPECT_LE(acme.stats().peak, 2 * kMiB);
}

// Nothing is taken up for it that the limit could refuse, whatever the policy, and nobody is told.
TEST_F(OwnerTest, ShrinkingNeverFailsAtTheLimit) {
  for (const tenure_policy policy :
       {TENURE_FAIL_LARGE, TENURE_FAIL_ALL, TENURE_EVENT, TENURE_OBSERVE, TENURE_ABORT}) {
    for (const unsigned flags : {0u, TENURE_ISOLATED}) {
      Tenant acme("acme", tenure_root(), flags);
      acme.limit(TENURE_MAX, 2 * kMiB);
      acme.policy(policy);
      for (const size_t size : {size_t(30000), 100 * kKiB, kMiB}) {
        void* block = tenure_malloc(acme, size);
        ASSERT_NE(block, nullptr);
        const auto byte_at = [](size_t k) { return static_cast<unsigned char>(k * 7 + k / 256); };
        for (size_t k = 0; k < size; ++k) static_cast<unsigned char*>(block)[k] = byte_at(k);
        acme.limit(TENURE_MAX, acme.usage());
        const TenantStats before = acme.stats();
        for (const size_t less : {size / 2 + 1, size / 3, size_t(20000), size_t(100), size_t(1)}) {
          errno = 0;
          block = realloc(block, less);
          ASSERT_NE(block, nullptr) << policy << ", " << size << " to " << less;
          EXPECT_EQ(errno, 0);
          size_t same = 0;
          while (same < less && static_cast<unsigned char*>(block)[same] == byte_at(same)) ++same;
          EXPECT_EQ(same, less);
          EXPECT_GE(malloc_usable_size(block), less);
          EXPECT_EQ(owner_id(block), tenure_tenant_id(acme));
        }
        const TenantStats after = acme.stats();
        EXPECT_EQ(after.failures, before.failures);
        EXPECT_EQ(after.events[TENURE_EVENT_MAX], before.events[TENURE_EVENT_MAX]);
        EXPECT_LE(after.usage, before.usage);
        free(block);
        acme.limit(TENURE_MAX, 2 * kMiB);
      }
      EXPECT_EQ(acme.settled(), 0u);
    }
  }
}

TEST_F(OwnerTest, OfAGrownObjectWhoseOwnerLeft) {
  Tenant parent("parent"), child("child", parent);
  void* small = tenure_malloc(child, 100);
  void* large = tenure_malloc(child, 100 * kKiB);
  child.offline();
  parent.limit(TENURE_MAX, 2 * kMiB);
  parent.policy(TENURE_FAIL_ALL);
  EXPECT_EQ(realloc(small, 3 * kMiB), nullptr);
  EXPECT_EQ(realloc(large, 3 * kMiB), nullptr);
  small = realloc(small, 10 * kKiB);
  large = realloc(large, kMiB);
  EXPECT_EQ(owner_id(small), tenure_tenant_id(parent));
  EXPECT_EQ(owner_id(large), tenure_tenant_id(parent));
  free(small);
  free(large);
  EXPECT_EQ(parent.settled(), 0u);
}

TEST_F(OwnerTest, Transfer) {
  Tenant acme("acme"), other("other"), below("below", other);
  for (size_t size : kSizes) {
    void* block = tenure_malloc(acme, size);
    fill_pattern(block, size, size);
    for (tenure_tenant* to :
         {static_cast<tenure_tenant*>(other), static_cast<tenure_tenant*>(below), tenure_root(),
          static_cast<tenure_tenant*>(acme), static_cast<tenure_tenant*>(acme),
          static_cast<tenure_tenant*>(below)}) {
      block = tenure_transfer(to, block);
      ASSERT_NE(block, nullptr) << size;
      EXPECT_EQ(owner_id(block), tenure_tenant_id(to)) << size;
      EXPECT_EQ(find_mismatch(block, size, size), kNoMismatch) << size;
      EXPECT_GE(malloc_usable_size(block), size);
      EXPECT_GE(usage_of(to), size);
    }
    EXPECT_EQ(acme.settled(), 0u) << size;
    EXPECT_EQ(other.settled() - below.usage(), 0u) << size;
    free(block);
    EXPECT_EQ(other.settled(), 0u) << size;
  }
}

TEST_F(OwnerTest, TransferKeepsTheAlignment) {
  Tenant acme("acme"), other("other");
  for (size_t alignment : {size_t(16), size_t(64), size_t(4096), 64 * kKiB, 2 * kMiB})
    for (size_t size : {size_t(100), 10 * kKiB, 100 * kKiB}) {
      void* block = tenure_transfer(other, tenure_aligned_alloc(acme, alignment, size));
      ASSERT_NE(block, nullptr);
      // A page at most: what is aligned more stays where it is.
      EXPECT_EQ(uintptr_t(block) % alignment, 0u) << alignment << ", " << size;
      free(block);
    }
}

TEST_F(OwnerTest, TransferRefusedChangesNothing) {
  Tenant acme("acme"), poor("poor");
  poor.policy(TENURE_FAIL_ALL);
  poor.limit(TENURE_MAX, 0);
  for (size_t size : kSizes) {
    void* block = tenure_malloc(acme, size);
    fill_pattern(block, size, 3);
    const size_t used = acme.usage();
    errno = 0;
    EXPECT_EQ(tenure_transfer(poor, block), nullptr) << size;
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(acme.usage(), used);
    EXPECT_EQ(poor.usage(), 0u);
    EXPECT_EQ(owner_id(block), tenure_tenant_id(acme));
    EXPECT_EQ(find_mismatch(block, size, 3), kNoMismatch);
    free(block);
  }
  EXPECT_EQ(acme.settled(), 0u);
}

TEST_F(OwnerTest, TransferOfALargeBlockNeedsNoRoomAbove) {
  Tenant parent("parent"), acme("acme", parent), shop("shop", parent), till("till", shop);
  parent.policy(TENURE_FAIL_ALL);
  parent.limit(TENURE_MAX, 10 * kMiB);
  parent.limit(TENURE_HIGH, 7 * kMiB);
  void* block = tenure_malloc(acme, 6 * kMiB);
  const size_t used = parent.usage();
  for (tenure_tenant* to : {static_cast<tenure_tenant*>(shop), static_cast<tenure_tenant*>(till),
                            static_cast<tenure_tenant*>(parent), static_cast<tenure_tenant*>(till),
                            static_cast<tenure_tenant*>(acme), static_cast<tenure_tenant*>(acme)}) {
    ASSERT_EQ(tenure_transfer(to, block), block);
    EXPECT_EQ(owner_id(block), tenure_tenant_id(to));
    EXPECT_EQ(usage_of(to), used);
    EXPECT_EQ(parent.usage(), used);
  }
  EXPECT_EQ(shop.usage(), 0u);
  EXPECT_EQ(till.stats().peak, used);
  EXPECT_EQ(parent.stats().peak, used) << "nothing came to it and nothing went";
  EXPECT_EQ(parent.events(TENURE_EVENT_HIGH) + parent.events(TENURE_EVENT_MAX), 0u);
  // Limits below the common ancestor hold.
  shop.policy(TENURE_FAIL_ALL);
  shop.limit(TENURE_MAX, 5 * kMiB);
  EXPECT_EQ(tenure_transfer(till, block), nullptr);
  EXPECT_EQ(acme.usage(), used);
  EXPECT_EQ(till.usage(), 0u);
  EXPECT_EQ(shop.stats().failures, 1u);
  // What a departed tenant left is the parent's already.
  acme.offline();
  shop.limit(TENURE_MAX, TENURE_UNLIMITED);
  ASSERT_EQ(tenure_transfer(till, block), block);
  EXPECT_EQ(parent.usage(), used);
  free(block);
  EXPECT_EQ(parent.settled(), 0u);
}

TEST_F(OwnerTest, TransferOfWhatADepartedTenantLeft) {
  Tenant acme("acme"), other("other");
  Blocks blocks;
  blocks.add_many(acme, 100, 500);
  blocks.add_many(acme, 100 * kKiB, 5);
  acme.offline();
  Blocks moved;
  for (size_t i = 0; i < 505; ++i) moved.keep(tenure_transfer(other, blocks[i]));
  blocks = Blocks();  // The vector's pointers are stale; the blocks live on in `moved`.
  EXPECT_EQ(tenure_reap(), 0u);
  for (size_t i = 0; i < 505; ++i) ASSERT_EQ(owner_id(moved[i]), tenure_tenant_id(other));
  moved.clear();
  EXPECT_EQ(other.settled(), 0u);
}

TEST_F(OwnerTest, ManyOwnersOfNeighbours) {
  // Objects of one size that were allocated one after the other for different tenants.
  std::vector<Tenant> tenants;
  for (int i = 0; i < 50; ++i) tenants.emplace_back("t" + std::to_string(i));
  Blocks blocks;
  for (size_t i = 0; i < 5000; ++i) ASSERT_TRUE(blocks.add(tenants[i % 50], 48));
  for (size_t i = 0; i < 5000; ++i)
    ASSERT_EQ(owner_id(blocks[i]), tenure_tenant_id(tenants[i % 50]));
  for (Tenant& tenant : tenants) EXPECT_GE(tenant.stats().allocated, 100 * 48u);
  blocks.clear();
  for (Tenant& tenant : tenants) EXPECT_EQ(tenant.settled(), 0u);
}

}  // namespace
}  // namespace blackbox
