#include "allocator/caches/promotion.h"

#include <algorithm>
#include <bit>

#include "tests/allocator/heap/pool_support.h"

namespace tenure {
namespace {

// Steps until it is time for a look.
uint32_t steps(Patience& patience) {
  uint32_t count = 0;
  while (!patience.is_over()) ++count;
  return count;
}

TEST(Patience, LooksBecomeSeldomWhileTheyAreInVain) {
  Patience patience;
  EXPECT_EQ(steps(patience), 0u) << "the first look is at once";
  uint32_t least = 2;
  for (int look = 0; look < 20; ++look) {
    patience.note(false);
    const uint32_t waited = steps(patience);
    EXPECT_GE(waited, least) << look;
    EXPECT_LT(waited, 2 * least) << look;
    if (least < 128) least *= 2;
  }
  patience.note(true);
  EXPECT_EQ(steps(patience), 1u) << "success brings the patience back";
}

TEST(Patience, LooksDoNotFallIntoStep) {
  Patience patience;
  for (int i = 0; i < 10; ++i) patience.note(false);
  std::vector<uint32_t> waits;
  for (int i = 0; i < 16; ++i) {
    waits.push_back(steps(patience));
    patience.note(false);
  }
  std::sort(waits.begin(), waits.end());
  EXPECT_GT(std::unique(waits.begin(), waits.end()) - waits.begin(), 8);
}

class PromotionTest : public PoolTest {
protected:
  // Takes `count` objects. Whether one came from a cache of the tenant's own.
  bool takes_own(Tenant& tenant, size_t size, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      held_.push_back(take(tenant, size));
      if (!is_pooled(held_.back())) return true;
    }
    return false;
  }
  void TearDown() override {
    for (void* object : held_) deallocate(object);
    PoolTest::TearDown();
  }
  static const Cache& pool_of(size_t size) { return pool_caches[index_of(class_of(size))]; }

private:
  std::vector<void*> held_;
};

TEST_F(PromotionTest, WhoFillsSlabsGetsACacheInEachClass) {
  int number = 0;
  for (const size_t size : {32, 128, 1000, 4000}) {
    Tenant& tenant = make(root_tenant, std::to_string(number++));
    EXPECT_TRUE(takes_own(tenant, size, 200 * pool_of(size).capacity)) << size;
    const uint32_t index = index_of(class_of(size));
    EXPECT_TRUE(heap_of(tenant)->has_own_cache(index));
    // In this class alone.
    EXPECT_EQ(std::popcount(heap_of(tenant)->own.load()), 1);
  }
}

// One slab's worth is too little, also for who is alone in the pool, and asks again and again.
TEST_F(PromotionTest, WhoFillsOneSlabStays) {
  int number = 0;
  for (const size_t size : {128, 1000, 4000}) {
    Tenant& tenant = make(root_tenant, std::to_string(number++));
    EXPECT_FALSE(takes_own(tenant, size, pool_of(size).capacity)) << size;
    for (int turn = 0; turn < 300; ++turn) {
      void* more[8];
      for (void*& object : more) {
        object = take(tenant, size);
        ASSERT_TRUE(is_pooled(object)) << size << " turn " << turn;
      }
      for (void* object : more) deallocate(object);
    }
  }
}

// Many tenants fill many slabs together, each of them little.
TEST_F(PromotionTest, ManyTenantsWithLittleStay) {
  constexpr size_t kSize = 1000;
  std::vector<Tenant*> tenants;
  for (int i = 0; i < 100; ++i) tenants.push_back(&make(root_tenant, std::to_string(i)));
  const size_t each = pool_of(kSize).capacity / 2;
  for (size_t turn = 0; turn < each; ++turn) {
    for (Tenant* tenant : tenants) ASSERT_FALSE(takes_own(*tenant, kSize, 1)) << turn;
  }
  EXPECT_GE(pool_of(kSize).slabs.load(), 40u);
}

// Of other tenants' slabs and of freed objects nothing is counted.
TEST_F(PromotionTest, CountsLiveObjectsOfTheTagAlone) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(root_tenant, "b");
  constexpr size_t kSize = 2000;
  CacheFamily& family = class_families[index_of(class_of(kSize))];
  std::vector<void*> of_a;
  for (int i = 0; i < 12; ++i) {
    of_a.push_back(take(a, kSize));
    ASSERT_FALSE(takes_own(b, kSize, 1));
  }
  const auto count = [&family](Tenant& tenant) {
    return family.recent.count(*family.pool, tenant.tag.load());
  };
  EXPECT_EQ(count(a), 12u);
  EXPECT_EQ(count(b), 12u);
  for (void* object : of_a) deallocate(object);
  EXPECT_EQ(count(a), 0u);
  EXPECT_EQ(count(b), 12u);
}

}  // namespace
}  // namespace tenure
