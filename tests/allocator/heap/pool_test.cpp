#include "allocator/heap/pool.h"

#include "accounting/charge/charge.h"
#include "accounting/pressure/reclaim.h"
#include "tests/allocator/heap/pool_support.h"

namespace tenure {
namespace {

size_t class_bytes(size_t size) { return class_size(class_of(size)); }

TEST_F(PoolTest, ChargedByClassSizeObjectByObject) {
  Tenant& top = make(root_tenant, "top");
  Tenant& a = make(top, "a");
  Tenant& b = make(top, "b");
  std::vector<void*> held;
  uint64_t bytes = 0;
  for (size_t size : {1, 16, 100, 1000, 3000, 9000}) {
    for (Tenant* tenant : {&a, &b}) {
      held.push_back(take(*tenant, size));
      ASSERT_NE(held.back(), nullptr);
      EXPECT_TRUE(is_pooled(held.back())) << size;
      EXPECT_EQ(&pin_owner(held.back()), tenant);
      tenant->unpin();
    }
    bytes += class_bytes(size);
    EXPECT_EQ(usage(a), bytes);
    EXPECT_EQ(usage(b), bytes);
    EXPECT_EQ(usage(top), 2 * bytes);
    EXPECT_EQ(&run_of(held.back()), &run_of(held[held.size() - 2])) << "they share a slab";
  }
  expect_charged_by_value();
  // Freed from within another tenant: the owner is credited.
  ScopedTenant inside(b);
  for (size_t i = 0; i < held.size(); i += 2) deallocate(held[i]);
  EXPECT_EQ(usage(a), 0u);
  EXPECT_EQ(usage(b), bytes);
  for (size_t i = 1; i < held.size(); i += 2) deallocate(held[i]);
  EXPECT_EQ(usage(top), 0u);
}

// Takes objects until one comes from slabs of the tenant's own, or there are `most`.
void take_until_private(Tenant& tenant, size_t size, size_t most, std::vector<void*>& held) {
  const auto take_one = [&] { held.push_back(allocate_for(tenant, size, 1, Fill::kAny)); };
  for (take_one(); held.size() < most && is_pooled(held.back());) take_one();
}

TEST_F(PoolTest, WhoFillsSlabsGetsItsOwnAndSharesAgainWhenTheyAreEmpty) {
  for (size_t size : {64, 500, 2000, 10000}) {
    Tenant& a = make(root_tenant, "a");
    const Cache& pool = pool_caches[index_of(class_of(size))];
    const size_t bytes = class_bytes(size);
    for (int round = 0; round < 2; ++round) {
      std::vector<void*> held;
      take_until_private(a, size, 200 * pool.capacity, held);
      ASSERT_FALSE(is_pooled(held.back())) << size;
      EXPECT_GE(held.size(), 2u * pool.capacity * 3 / 4) << "two slabs' worth, but for a list";
      EXPECT_EQ(run_of(held.back()).cache->owner, &a);
      expect_charged_by_value();
      // What lies in its lists stands ready; nobody pays for the rest of the slab.
      EXPECT_LE(usage(a), held.size() * bytes + 2 * pool.limit * bytes);
      EXPECT_GE(usage(a), held.size() * bytes);
      for (void* object : held) deallocate(object);
      settle();
      EXPECT_EQ(usage(a), 0u) << "its slabs have gone";
      void* const one = take(a, size);
      EXPECT_TRUE(is_pooled(one)) << "it shares again";
      deallocate(one);
    }
    EXPECT_EQ(offline_tenant(a, 0), 0);
  }
}

// Never by rate alone: many tenants that allocate and free all the time, and hold little.
TEST_F(PoolTest, BusyTenantsThatHoldLittleShare) {
  std::vector<Tenant*> tenants;
  for (int i = 0; i < 20; ++i) tenants.push_back(&make(root_tenant, std::to_string(i)));
  for (int turn = 0; turn < 2000; ++turn) {
    ScopedTenant inside(*tenants[static_cast<size_t>(turn) % tenants.size()]);
    void* held[60];
    for (size_t i = 0; i < 60; ++i) {
      held[i] = allocate(16 << i % 9);
      ASSERT_TRUE(is_pooled(held[i])) << turn;
    }
    for (void* object : held) deallocate(object);
  }
  for (Tenant* tenant : tenants) EXPECT_EQ(usage(*tenant), 0u);
}

// What a tenant's own cache takes and gives back is charged by the object, whatever slabs it pins.
TEST_F(PoolTest, OwnSlabsAreNotCharged) {
  Tenant& a = make(root_tenant, "a");
  constexpr size_t kSize = 1000;
  const size_t bytes = class_bytes(kSize);
  std::vector<void*> held;
  take_until_private(a, kSize, 100000, held);
  while (held.size() < 5000) held.push_back(take(a, kSize));
  ASSERT_FALSE(is_pooled(held.back()));
  std::vector<void*> kept;
  for (size_t i = 0; i < held.size(); ++i) {
    if (i % 10 == 0) {
      kept.push_back(held[i]);
    } else {
      deallocate(held[i]);
    }
  }
  const uint64_t listed = 2 * pool_caches[index_of(class_of(kSize))].limit * bytes;
  EXPECT_LE(usage(a), kept.size() * bytes + listed) << "at once";
  reclaim(a, SIZE_MAX, ReclaimStage::kPurge);
  EXPECT_EQ(usage(a), kept.size() * bytes);
  expect_charged_by_value();
  // It goes with objects alive, in slabs of its own.
  EXPECT_EQ(offline_tenant(a, 0), 0);
  EXPECT_EQ(usage(root_tenant), kept.size() * bytes);
  expect_charged_by_value();
  for (void* object : kept) deallocate(object);
  EXPECT_EQ(usage(root_tenant), 0u);
}

// A tenant of few objects in each class stays small, however many classes it uses.
TEST_F(PoolTest, FewObjectsOfManyClassesArePooled) {
  Tenant& a = make(root_tenant, "a");
  std::vector<void*> held;
  uint64_t bytes = 0;
  for (int i = 0; i < 7; ++i) {
    for (size_t size = 16; size <= 4096; size *= 2) {
      held.push_back(take(a, size));
      bytes += size;
      ASSERT_TRUE(is_pooled(held.back())) << held.size() << " objects, size " << size;
      ASSERT_EQ(usage(a), bytes);
    }
  }
  for (void* object : held) deallocate(object);
}

TEST_F(PoolTest, OfflineCreditsTheNearestOnlineAncestor) {
  Tenant& top = make(root_tenant, "top");
  Tenant& middle = make(top, "middle");
  Tenant& a = make(middle, "a");
  Tenant& b = make(middle, "b");
  void* const of_a = take(a, 100);
  void* const of_b = take(b, 200);
  void* const of_middle = take(middle, 300);
  const size_t bytes_a = class_bytes(100), bytes_b = class_bytes(200),
               bytes_middle = class_bytes(300);
  const auto expect_owner = [](const void* object, Tenant& owner) {
    Tenant& found = pin_owner(object);
    EXPECT_EQ(&found, &owner);
    if (&found != &root_tenant) found.unpin();
  };
  EXPECT_EQ(offline_tenant(a, 0), 0);
  expect_owner(of_a, middle);
  EXPECT_EQ(usage(middle), bytes_a + bytes_b + bytes_middle);
  deallocate(of_a);
  EXPECT_EQ(usage(middle), bytes_b + bytes_middle);
  EXPECT_EQ(usage(top), bytes_b + bytes_middle);
  // b's objects, through its context that is reparented twice.
  EXPECT_EQ(offline_tenant(middle, kOfflineRecursive), 0);
  expect_owner(of_b, top);
  expect_owner(of_middle, top);
  EXPECT_EQ(usage(top), bytes_b + bytes_middle);
  expect_charged_by_value();
  deallocate(of_b);
  EXPECT_EQ(usage(top), bytes_middle);
  EXPECT_EQ(offline_tenant(top, 0), 0);
  expect_owner(of_middle, root_tenant);
  EXPECT_EQ(usage(root_tenant), bytes_middle);
  deallocate(of_middle);
  EXPECT_EQ(usage(root_tenant), 0u);
}

// The instant at which offline has looked for stocks, and one is put up by who found the tenant online.
TEST_F(PoolTest, NoStockIsLeftForATenantThatHasGone) {
  Tenant& a = make(root_tenant, "a");
  void* const object = take(a, 64);
  AccountingContext& context = *a.context.load();
  EXPECT_EQ(offline_tenant(a, 0), 0);
  ASSERT_TRUE(charge_more(context, kSmallestStock, RequestKind::kSmall));
  put_up_stock(a, context, kSmallestStock, kUsualStock);
  EXPECT_EQ(stocked_by(context), 0u);
  EXPECT_EQ(context.held(), 64u);
  deallocate(object);
}

// A thread that vanished in a fork, after it had put up a stock and before it saw that the tenant had gone, leaves it behind.
TEST_F(PoolTest, ForkChildGivesLostStocksBack) {
  Tenant& a = make(root_tenant, "a");
  void* const object = take(a, 64);
  AccountingContext& context = *a.context.load();
  EXPECT_EQ(offline_tenant(a, 0), 0);
  EXPECT_EQ(context.held(), 64u);
  ASSERT_TRUE(charge_more(context, 4096, RequestKind::kSmall));
  stock_in(own_area(), tag_of(context)) = StockWord::of(StockWord::units(4096), 1000).word;
  repair_stocks_after_fork();
  EXPECT_EQ(context.held(), 64u);
  EXPECT_EQ(stocked_by(context), 0u);
  deallocate(object);
}

// A slab does not fit below max, but objects do: exact to the object.
TEST_F(PoolTest, LimitIsExactToTheObject) {
  Tenant& a = make(root_tenant, "a");
  a.set_policy(Policy::kFailAll);
  a.set_max(40000);
  std::vector<void*> held;
  while (void* object = take(a, 100)) held.push_back(object);
  EXPECT_EQ(held.size(), 40000 / class_bytes(100))
      << "beyond a slab's worth, within a slab's bytes";
  EXPECT_LE(a.counter.peak(), 40000u);
  expect_charged_by_value();
  for (void* object : held) deallocate(object);
}

// Each keeps its parent until nothing is left of it: all go, one level after the other.
TEST_F(PoolTest, OneReapTakesAWholeTreeOfTheDeparted) {
  const size_t before = metadata();
  Tenant* parent = &root_tenant;
  std::vector<Tenant*> line;
  for (int i = 0; i < 8; ++i) {
    Tenant* tenant = nullptr;
    ASSERT_EQ(create_tenant(*parent, "level", kIsolatedTenant, &tenant), 0);
    deallocate(take(*tenant, 100));  // It has a heap, and a cache.
    line.push_back(tenant);
    parent = tenant;
  }
  EXPECT_EQ(offline_tenant(*line.front(), kOfflineRecursive), 0);
  for (Tenant* tenant : line) tenant->unpin();
  EXPECT_EQ(reap_all(), 0u);
  EXPECT_EQ(metadata(), before);
}

TEST_F(PoolTest, IsolatedTenantsUseNoPool) {
  Tenant& a = make(root_tenant, "a", kIsolatedTenant);
  void* const object = take(a, 100);
  EXPECT_FALSE(is_pooled(object));
  EXPECT_EQ(usage(a), kGranuleSize);
  EXPECT_EQ(run_of(object).cache->owner, &a);
  deallocate(object);
}

}  // namespace
}  // namespace tenure
