#include "allocator/fronts/charge_stock.h"

#include "accounting/charge/charge.h"
#include "tests/allocator/fronts/stock_support.h"

namespace tenure {
namespace {

// charge_stock.h: at most kUsualStock a CPU, for tenants that have not four times as much.
TEST_F(StockTest, HoldsAtMostTheUsualStock) {
  Tenant& a = make(root_tenant, "a");
  const OwnerTag tag = tag_of(context_of_tenant(a));
  for (const size_t size : {16, 500, 4000, 20000}) {
    std::vector<void*> held;
    while (usage(a) + size <= 2 * kUsualStock) held.push_back(take(a, size));
    for (size_t i = 0; i < held.size(); ++i) {
      if (i % 16 == 0) move_to_cpu(static_cast<uint32_t>(i / 16));
      deallocate(held[i]);
      ASSERT_LE(largest_stock(tag),
                std::max(kUsualStock, kSmallestStock + 2 * class_size(class_of(size))));
    }
  }
  EXPECT_GT(stocked_by(context_of_tenant(a)), 0u);
}

// At most kLargestStock, however much the tenant has.
TEST_F(StockTest, HoldsAtMostTheLargestStock) {
  Tenant& a = make(root_tenant, "a");
  const OwnerTag tag = tag_of(context_of_tenant(a));
  std::vector<void*> held;
  for (int i = 0; i < 8000; ++i) held.push_back(take(a, 1000));
  size_t most = 0;
  for (size_t i = 0; i < held.size(); ++i) {
    if (i % 500 == 0) move_to_cpu(static_cast<uint32_t>(i / 500));
    deallocate(held[i]);
    ASSERT_LE(largest_stock(tag), kLargestStock);
    most = std::max(most, largest_stock(tag));
  }
  EXPECT_GT(most, kUsualStock) << "a large tenant has larger stocks";
}

// Near a limit a stock holds kSmallestStock and two objects: the limit is the tenant's, or one above.
TEST_F(StockTest, HoldsLittleNearALimit) {
  for (const bool limit_above : {false, true}) {
    Tenant& top = make(root_tenant, limit_above ? "above" : "own");
    Tenant& a = make(top, "a");
    const OwnerTag tag = tag_of(context_of_tenant(a));
    constexpr uint64_t kMax = 512 * 1024;
    (limit_above ? top : a).set_max(kMax);
    std::vector<void*> held;
    // Room for less than eight of the smallest stocks.
    while (usage(a) + 8 * kSmallestStock < kMax + 2000) {
      held.push_back(take(a, 1000));
      ASSERT_NE(held.back(), nullptr);
    }
    empty_stocks(a);
    for (const size_t size : {16, 100, 1000, 4000}) {
      const size_t most = kSmallestStock + 2 * class_size(class_of(size));
      for (int i = 0; i < 200; ++i) {
        move_to_cpu(static_cast<uint32_t>(i / 20));
        void* const object = take(a, size);
        ASSERT_NE(object, nullptr);
        deallocate(object);
        ASSERT_LE(largest_stock(tag), most) << size;
      }
      empty_stocks(a);
    }
    EXPECT_LE((limit_above ? top : a).counter.peak(), kMax);
    for (void* object : held) deallocate(object);
  }
}

// What is stocked on other CPUs, and for siblings, makes room before anything is refused.
TEST_F(StockTest, NothingIsRefusedBecauseOfStocks) {
  Tenant& top = make(root_tenant, "top");
  Tenant& a = make(top, "a");
  Tenant& b = make(top, "b");
  top.set_max(1 << 20);
  top.set_policy(Policy::kFailAll);
  open_everywhere(a, 1000);
  open_everywhere(b, 1000);
  ASSERT_GT(stocked_below(top), 0u);
  std::vector<void*> held;
  const size_t bytes = class_size(class_of(512));
  while (void* object = take(a, 512)) held.push_back(object);
  EXPECT_EQ(held.size(), (1 << 20) / bytes);
  EXPECT_EQ(stocked_by(context_of_tenant(b)), 0u);
  for (void* object : held) deallocate(object);
}

TEST_F(StockTest, EmptyStocksTakesThoseOfAllCpus) {
  Tenant& top = make(root_tenant, "top");
  Tenant& a = make(top, "a");
  Tenant& b = make(top, "b");
  Tenant& other = make(root_tenant, "other");
  void* const object = take(a, 1000);
  for (Tenant* tenant : {&a, &b, &other}) open_everywhere(*tenant, 1000);
  const OwnerTag tag = tag_of(context_of_tenant(a));
  if (arena.rseq) {
    EXPECT_EQ(open_words(tag), arena.cpus);
  }
  const uint64_t stocked = stocked_below(top), of_other = stocked_below(other);
  ASSERT_GT(stocked, 0u);
  EXPECT_EQ(empty_stocks(top), stocked);
  for (Tenant* tenant : {&a, &b}) EXPECT_TRUE(all_closed(tag_of(context_of_tenant(*tenant))));
  EXPECT_EQ(stocked_below(top), 0u);
  EXPECT_EQ(top.counter.usage(), class_size(class_of(1000)));
  EXPECT_EQ(context_of_tenant(b).held(), 0u);
  EXPECT_EQ(stocked_below(other), of_other) << "of another subtree";
  EXPECT_EQ(empty_stocks(top), 0u);
  // A stock that opens again is found again.
  open_everywhere(b, 1000);
  EXPECT_GT(empty_stocks(top), 0u);
  EXPECT_TRUE(all_closed(tag_of(context_of_tenant(b))));
  deallocate(object);
}

TEST_F(StockTest, AgingGivesTheBytesOfAllTenantsBack) {
  std::vector<Tenant*> tenants;
  for (int i = 0; i < 20; ++i) tenants.push_back(&make(root_tenant, std::to_string(i)));
  for (Tenant* tenant : tenants) open_everywhere(*tenant, 300);
  ASSERT_GT(stocked_bytes(), 0u);
  for (uint32_t from = 0; from <= context_table.end(); from += 1024) age_stocks();
  age_stocks();
  EXPECT_EQ(stocked_bytes(), 0u);
  for (Tenant* tenant : tenants) EXPECT_EQ(tenant->counter.usage(), 0u);
}

TEST_F(StockTest, OfflineClosesAllAndFreesOpenNone) {
  Tenant& a = make(root_tenant, "a");
  void* const first = take(a, 1000);
  void* const second = take(a, 1000);
  open_everywhere(a, 1000);
  AccountingContext& context = context_of_tenant(a);
  const OwnerTag tag = tag_of(context);
  EXPECT_EQ(offline_tenant(a, 0), 0);
  EXPECT_TRUE(all_closed(tag));
  EXPECT_EQ(context.held(), 2 * class_size(class_of(1000)));
  deallocate(first);
  EXPECT_TRUE(all_closed(tag));
  EXPECT_EQ(context.held(), class_size(class_of(1000)));
  EXPECT_EQ(pay_from_stock(a, 16), nullptr);
  deallocate(second);
}
}  // namespace
}  // namespace tenure
