// Tenants that go while objects of theirs are alive: the kernel's own scenarios for memory cgroups
// (tools/testing/selftests/cgroup/test_kmem.c), here for objects of a heap.

#include <malloc.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

using DepartedTest = TenantTest;

// Objects of many sizes, as a request leaves them behind.
void leave_objects(tenure_tenant* tenant, Blocks& blocks, size_t count) {
  for (size_t i = 0; i < count; ++i)
    ASSERT_TRUE(blocks.add(tenant, i % 50 == 0 ? 40 * kKiB : 16 + i * 37 % 3000));
}

TEST_F(DepartedTest, ParentPaysForWhatIsLeft) {
  Tenant parent("parent"), child("child", parent);
  Blocks blocks;
  leave_objects(child, blocks, 1000);
  child.settled();
  const size_t used = child.usage();
  EXPECT_EQ(parent.usage(), used);
  child.offline();
  EXPECT_EQ(parent.settled(), used) << "objects in use are charged as before";
  EXPECT_EQ(parent.stats().allocated, 0u) << "what was reparented is not among its own objects";
  EXPECT_EQ(owner_id(blocks[0]), tenure_tenant_id(parent));
  for (size_t i = 0; i < blocks.count(); ++i)
    ASSERT_EQ(*static_cast<char*>(blocks[i]), 0x5A) << "objects stay valid";
  blocks.clear();
  EXPECT_EQ(parent.settled(), 0u);
}

// 100 children in turn, each with threads that allocate in it; what some leave is charged to the
// parent, and nothing else is.
TEST_F(DepartedTest, UsageIsTheSumAfterDeletionOfSome) {
  Tenant parent("parent");
  std::vector<Tenant> staying;
  std::vector<Blocks> kept;
  for (int i = 0; i < 100; ++i) {
    Tenant child("child" + std::to_string(i), parent);
    Blocks parts[4];
    {
      std::vector<std::thread> threads;
      for (Blocks& part : parts)
        threads.emplace_back([&part, &child] { leave_objects(child, part, 100); });
      for (std::thread& thread : threads) thread.join();
    }
    if (i % 3 == 0) kept.push_back(std::move(parts[i % 4]));
    for (Blocks& part : parts) part.clear();
    if (i % 5 == 0)
      staying.push_back(std::move(child));
    else
      child.offline();
  }
  parent.settled();
  size_t sum = dead_tenants().bytes;
  for (Tenant& child : staying) sum += child.usage();
  EXPECT_EQ(parent.usage(), sum);
  EXPECT_GT(sum, 0u);
  EXPECT_EQ(parent.stats().children, staying.size());
  kept.clear();
  for (Tenant& child : staying) EXPECT_EQ(child.settled(), 0u);
  staying.clear();
  EXPECT_EQ(parent.settled(), 0u);
}

TEST_F(DepartedTest, ThirtyWithLiveObjectsThenNone) {
  Tenant parent("parent");
  std::vector<Blocks> blocks(30);
  for (int i = 0; i < 30; ++i) {
    Tenant child("child" + std::to_string(i), parent);
    leave_objects(child, blocks[size_t(i)], 100);
    child.offline();
  }
  EXPECT_EQ(tenure_reap(), 30u);
  struct Seen {
    size_t count = 0, bytes = 0;
    uint32_t payer = 0;
    bool named = true;
  } seen;
  EXPECT_EQ(tenure_dead_for_each(
                [](const tenure_dead* dead, void* argument) {
                  auto* found = static_cast<Seen*>(argument);
                  ++found->count;
                  found->bytes += dead->bytes;
                  found->payer = tenure_tenant_id(dead->payer);
                  if (strncmp(dead->name, "child", 5) != 0 || dead->id == 0) found->named = false;
                  return 0;
                },
                &seen),
            0);
  EXPECT_EQ(seen.count, 30u);
  EXPECT_EQ(seen.bytes, parent.usage());
  EXPECT_EQ(seen.payer, tenure_tenant_id(parent));
  EXPECT_TRUE(seen.named);
  EXPECT_EQ(tenure_dead_for_each([](const tenure_dead*, void*) { return 7; }, nullptr), 7);
  for (size_t i = 0; i < 15; ++i) blocks[i].clear();
  EXPECT_EQ(tenure_reap(), 15u);
  blocks.clear();
  EXPECT_EQ(tenure_reap(), 0u);
  EXPECT_EQ(dead_tenants().count, 0u);
  EXPECT_EQ(parent.settled(), 0u);
}

// The objects of isolated tenants keep slabs of their own; what they take and what is charged are two figures.
TEST_F(DepartedTest, ObjectsAndTheSlabsThatTheyKeepAreToldApart) {
  struct Seen {
    size_t bytes = 0, charged = 0;
  };
  for (const unsigned flags : {0u, TENURE_ISOLATED}) {
    Blocks blocks;
    {
      Tenant tenant("left", tenure_root(), flags);
      leave_objects(tenant, blocks, 13);
      tenant.offline();
    }
    size_t taken = 0;
    for (size_t i = 0; i < blocks.count(); ++i) taken += malloc_usable_size(blocks[i]);
    tenure_reap();
    Seen seen;
    tenure_dead_for_each(
        [](const tenure_dead* dead, void* argument) {
          *static_cast<Seen*>(argument) = {dead->bytes, dead->charged_bytes};
          return 0;
        },
        &seen);
    EXPECT_EQ(seen.bytes, taken);
    if (flags == 0) {
      EXPECT_EQ(seen.charged, taken);
    } else {
      EXPECT_GT(seen.charged, taken);
    }
    blocks.clear();
    tenure_reap();
  }
}

TEST_F(DepartedTest, NothingLeftMeansNothingDead) {
  Tenant parent("parent");
  for (int i = 0; i < 30; ++i) {
    Tenant child("child" + std::to_string(i), parent);
    Blocks blocks;
    leave_objects(child, blocks, 100);
    blocks.clear();
    child.offline();
  }
  EXPECT_EQ(tenure_reap(), 0u) << "free objects in caches keep no departed tenant";
  EXPECT_EQ(dead_tenants().count, 0u);
  EXPECT_EQ(parent.settled(), 0u);
}

TEST_F(DepartedTest, ThousandChildren) {
  Tenant parent("parent");
  const size_t meta = parent.stats().meta;
  std::vector<Tenant> children;
  for (int i = 0; i < 1000; ++i) children.emplace_back("child" + std::to_string(i), parent);
  EXPECT_EQ(parent.stats().children, 1000u);
  EXPECT_EQ(parent.usage(), 0u) << "idle tenants hold no slabs";
  EXPECT_LE(parent.stats().meta - meta, 100 * kKiB);
  Blocks blocks;
  for (Tenant& child : children) ASSERT_TRUE(blocks.add(child, 100));
  size_t sum = 0;
  for (Tenant& child : children) {
    EXPECT_GE(child.usage(), 100u);
    sum += child.usage();
  }
  EXPECT_EQ(parent.usage(), sum);
  EXPECT_EQ(parent.try_offline(), -EBUSY);
  parent.offline(TENURE_RECURSIVE);
  EXPECT_EQ(owner_id(blocks[999]), 0u);
  blocks.clear();
}

TEST_F(DepartedTest, GrandchildrenAreReparentedWithTheirParent) {
  Tenant top("top"), middle("middle", top);
  Blocks blocks;
  {
    Tenant leaf("leaf", middle);
    leave_objects(leaf, blocks, 200);
    leaf.offline();
  }
  EXPECT_EQ(owner_id(blocks[0]), tenure_tenant_id(middle));
  leave_objects(middle, blocks, 200);
  middle.settled();
  const size_t used = middle.usage();
  middle.offline();
  EXPECT_EQ(owner_id(blocks[0]), tenure_tenant_id(top));
  EXPECT_EQ(owner_id(blocks[399]), tenure_tenant_id(top));
  EXPECT_EQ(top.settled(), used);
  EXPECT_EQ(tenure_reap(), 2u);
  top.offline();
  EXPECT_EQ(owner_id(blocks[0]), 0u);
  blocks.clear();
}

TEST_F(DepartedTest, SuccessorOfTheNameIsNotCharged) {
  Tenant parent("parent"), first("acme", parent);
  Blocks blocks;
  leave_objects(first, blocks, 200);
  first.offline();
  first.close();
  tenure_reap();
  Tenant second("acme", parent);
  EXPECT_EQ(second.usage(), 0u);
  blocks.clear();
  EXPECT_EQ(second.usage(), 0u);
  EXPECT_TRUE(blocks.add(second, 100));
  EXPECT_GE(second.usage(), 100u);
}

TEST_F(DepartedTest, AllocationForADepartedTenantIsItsParents) {
  Tenant parent("parent"), child("child", parent);
  child.offline();
  Blocks blocks;
  for (size_t size : {size_t(10), size_t(5000), 100 * kKiB}) {
    EXPECT_TRUE(blocks.add(child, size));
    EXPECT_EQ(owner_id(blocks[blocks.count() - 1]), tenure_tenant_id(parent)) << size;
  }
  parent.limit(TENURE_MAX, kMiB);
  EXPECT_EQ(tenure_malloc(child, 2 * kMiB), nullptr) << "the parent's limit holds";
  EXPECT_EQ(tenure_calloc(child, 2, kMiB), nullptr);
  Tenant other("other");
  void* block = tenure_malloc(other, 100);
  void* moved = tenure_transfer(child, block);
  ASSERT_NE(moved, nullptr);
  EXPECT_EQ(owner_id(moved), tenure_tenant_id(parent));
  free(moved);
}

// The memory of tenants that come and go is used again.
TEST_F(DepartedTest, ComingAndGoingTakesNoMemory) {
  Tenant parent("parent");
  const auto churn = [&](int cycles) {
    for (int i = 0; i < cycles; ++i) {
      Tenant child("child", parent);
      free(tenure_malloc(child, 100));
      child.offline();
      // Bounds what waits for a grace period, whichever reader is held up.
      if (i % 100 == 0) tenure_reap();
    }
    tenure_reap();
    struct tenure_stats stats = {};
    stats.struct_size = sizeof stats;
    EXPECT_EQ(tenure_stats(&stats), 0);
    return stats.meta;
  };
  const size_t before = churn(2000);
  EXPECT_LE(churn(20000), before + 256 * kKiB);
}

// What it used last, which is its parent's now, is neither shown nor waited for.
TEST_F(DepartedTest, UsesNothing) {
  Tenant top("top"), tenant("tenant", top);
  tenant.limit(TENURE_HIGH, kMiB);
  Blocks blocks;
  ASSERT_TRUE(blocks.add(tenant, 4 * kMiB));
  ASSERT_TRUE(blocks.add(tenant, 100));
  const size_t peak = tenant.stats().peak;
  {
    const Inside inside(tenant);
    tenant.offline();
    blocks.clear();
    EXPECT_EQ(settled_usage(top), 0u);
    const size_t stalled = top.stats().stalled_us;
    for (int i = 0; i < 20; ++i) EXPECT_EQ(tenure_checkpoint(), 0);
    EXPECT_EQ(top.stats().stalled_us, stalled);
    EXPECT_EQ(tenure_tenant_set_limit(tenant, TENURE_MAX, 1), -ENODEV);
    EXPECT_EQ(top.stats().stalled_us, stalled);
  }
  const TenantStats stats = tenant.stats();
  EXPECT_EQ(stats.usage, 0u);
  EXPECT_EQ(stats.allocated, 0u);
  EXPECT_EQ(stats.cached, 0u);
  EXPECT_EQ(stats.children, 0u);
  EXPECT_EQ(stats.peak, peak);
  tenure_tenant_reset_peak(tenant);
  EXPECT_EQ(tenant.stats().peak, 0u);
}

// What would have no effect says so; what ends something goes on.
TEST_F(DepartedTest, NothingIsSetAnyMore) {
  Tenant tenant("tenant");
  const int fd = eventfd(0, EFD_CLOEXEC);
  const tenure_event_handler handler = [](tenure_tenant*, tenure_event, void*) {};
  ASSERT_EQ(tenure_tenant_set_eventfd(tenant, fd, ~0u), 0);
  ASSERT_EQ(tenure_tenant_set_handler(tenant, TENURE_EVENT_MAX, handler, nullptr), 0);
  tenant.limit(TENURE_MAX, kMiB);
  tenant.offline();
  for (int which = TENURE_MIN; which <= TENURE_RESERVE; ++which)
    EXPECT_EQ(tenure_tenant_set_limit(tenant, tenure_limit(which), 1), -ENODEV) << which;
  EXPECT_EQ(tenure_tenant_set_limit(tenant, tenure_limit(17), 1), -ENODEV);
  EXPECT_EQ(tenure_tenant_limit(tenant, TENURE_MAX), kMiB) << "nothing has changed";
  EXPECT_EQ(tenure_tenant_set_policy(tenant, TENURE_OBSERVE), -ENODEV);
  EXPECT_EQ(tenure_tenant_policy(tenant), TENURE_FAIL_LARGE);
  EXPECT_EQ(tenure_tenant_set_eventfd(tenant, fd, ~0u), -ENODEV);
  EXPECT_EQ(tenure_tenant_set_handler(tenant, TENURE_EVENT_LOW, handler, nullptr), -ENODEV);
  tenure_tenant* child = nullptr;
  EXPECT_EQ(tenure_tenant_create(tenant, "child", 0, &child), -ENODEV);
  EXPECT_EQ(tenant.try_offline(), -EALREADY);
  EXPECT_EQ(tenure_reclaim(tenant, 1), 0u);
  // So that what they use may be closed and freed.
  EXPECT_EQ(tenure_tenant_set_eventfd(tenant, -1, 0), 0);
  EXPECT_EQ(tenure_tenant_set_handler(tenant, TENURE_EVENT_MAX, nullptr, nullptr), 0);
  EXPECT_EQ(tenure_tenant_read_events(tenant), 0u);
  close(fd);
}

}  // namespace
}  // namespace blackbox
