#include "allocator/caches/tenant_purge.h"
#include "allocator/fronts/caching_tenants.h"

#include <memory>
#include <set>
#include <string>

#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/tenant_heap.h"
#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

TEST(CachingWord, BitsOfNeighboursAndACount) {
  CachingWord word;
  for (const uint32_t id : {0u, 31u, 32u, 63u, 1'000'000u}) {
    const CachingWord with = word.with(id);
    EXPECT_FALSE(word.has(id));
    EXPECT_TRUE(with.has(id));
    EXPECT_EQ(with.without(id).bits(), word.bits());
    EXPECT_NE(with.without(id).word, word.word) << "a word that was left is not the same again";
    EXPECT_NE(with.with(id).word, with.word);
    EXPECT_EQ(with.with(id).bits(), with.bits());
  }
  // The count wraps around without touching bits.
  word = {~uint64_t{0} << CachingWord::kIds};
  EXPECT_EQ(word.with(5).bits(), 1u << 5);
}

TEST(CachingState, KindsAreDistinct) {
  const CachingState checking = CachingState::checking(7), checked = CachingState::checked(7);
  EXPECT_TRUE(checked.is_checked());
  EXPECT_FALSE(checking.is_checked());
  EXPECT_EQ(checked.cookie(), 7u);
  for (const uint64_t word :
       {CachingState::kClean, CachingState::kEntering, CachingState::kCaching}) {
    EXPECT_FALSE(CachingState{word}.is_checked());
    EXPECT_NE(word, checking.word);
    EXPECT_NE(word, checked.word);
  }
}

class CachingTenantsTest : public HeapTest {
protected:
  static constexpr size_t kSize = 512;

  Tenant& make(Tenant& parent, const std::string& name) {
    Tenant* tenant = nullptr;
    EXPECT_EQ(create_tenant(parent, name.c_str(), kIsolatedTenant, &tenant), 0);
    tenants_.push_back(tenant);
    return *tenant;
  }
  void TearDown() override {
    for (auto it = tenants_.rbegin(); it != tenants_.rend(); ++it) {
      EXPECT_EQ(offline_tenant(**it, 0), 0);
      (*it)->unpin();
    }
    flush_tenants();
    HeapTest::TearDown();
  }
  static void cache_an_object(Tenant& tenant) {
    deallocate(allocate_for(tenant, kSize, 1, Fill::kAny));
  }
  static size_t purge(Tenant& tenant) {
    grace::synchronize();
    grace::ReadSection section;
    return purge_tenant(tenant);
  }
  static bool is_caching(const Tenant& tenant) {
    return !CachingState{tenant.caching.load()}.is_clean();
  }
  static std::set<Tenant*> found(Tenant& top) {
    std::set<Tenant*> tenants;
    grace::ReadSection section;
    for_each_caching(top, [&](Tenant& tenant) { return tenants.insert(&tenant).second; });
    return tenants;
  }

private:
  std::vector<Tenant*> tenants_;
};

TEST_F(CachingTenantsTest, LeavesTheSetWhenItIsFoundEmptyAGracePeriodLater) {
  Tenant& tenant = make(root_tenant, "tenant");
  EXPECT_FALSE(is_caching(tenant));
  for (int round = 0; round < 3; ++round) {
    cache_an_object(tenant);
    EXPECT_EQ(tenant.caching.load(), CachingState::kCaching);
    purge(tenant);
    EXPECT_TRUE(CachingState{tenant.caching.load()}.is_checked()) << "a free may be under way";
    EXPECT_EQ(tenant.counter.usage(), 0u);
    purge(tenant);
    EXPECT_FALSE(is_caching(tenant));
    EXPECT_EQ(purge(tenant), 0u);
  }
}

TEST_F(CachingTenantsTest, StaysWhileAGracePeriodLasts) {
  Tenant& tenant = make(root_tenant, "tenant");
  cache_an_object(tenant);
  purge(tenant);
  grace::ReadSection slow_step;  // It may be about to open a word.
  purge_tenant(tenant);
  purge_tenant(tenant);
  EXPECT_TRUE(is_caching(tenant));
}

TEST_F(CachingTenantsTest, ComesBackWhileItIsLookedAt) {
  Tenant& tenant = make(root_tenant, "tenant");
  cache_an_object(tenant);
  purge(tenant);
  cache_an_object(tenant);
  EXPECT_EQ(tenant.caching.load(), CachingState::kCaching);
  EXPECT_GT(purge(tenant), 0u) << "not taken for the look that follows a purge";
}

// Of many tenants only those are looked at that have something.
TEST_F(CachingTenantsTest, FindsThoseBelowThatCache) {
  Tenant& top = make(root_tenant, "top");
  Tenant& elsewhere = make(root_tenant, "elsewhere");
  Tenant& deep = make(make(make(top, "a"), "b"), "c");
  std::vector<Tenant*> children;
  for (int i = 0; i < 200; ++i) children.push_back(&make(top, std::to_string(i)));
  // Bits that tenants before had with these ids.
  for (Tenant* tenant : found(top)) purge(*tenant);
  EXPECT_TRUE(found(top).empty());
  for (Tenant* tenant : {&elsewhere, &deep, children[0], children[150]}) cache_an_object(*tenant);
  EXPECT_EQ(found(top), (std::set<Tenant*>{&deep, children[0], children[150]}));
  // A small subtree is walked.
  EXPECT_TRUE(found(deep).contains(&deep));
  for (int round = 0; round < 2; ++round) purge(*children[0]);
  EXPECT_EQ(found(top), (std::set<Tenant*>{&deep, children[150]}));
  for (Tenant* tenant : {&deep, children[150]})
    for (int round = 0; round < 2; ++round) purge(*tenant);
  EXPECT_TRUE(found(top).empty());
  cache_an_object(*children[0]);
  EXPECT_EQ(found(top), (std::set<Tenant*>{children[0]}));
}

// While others free, open words and purge. What is clean at the end has nothing.
TEST_F(CachingTenantsTest, CleanMeansEmptyWhileManyThreadsComeAndGo) {
  Tenant& tenant = make(root_tenant, "tenant");
  std::atomic<bool> stop{false};
  std::atomic<int> freed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      for (; !stop; ++freed) cache_an_object(tenant);
    });
  }
  while (freed < 20'000) purge(tenant);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 2; ++i) purge(tenant);
  EXPECT_FALSE(is_caching(tenant));
  EXPECT_EQ(tenant.counter.usage(), 0u);
}

}  // namespace
}  // namespace tenure
