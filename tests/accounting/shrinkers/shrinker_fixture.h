// A tree whose tenants have caches that reclaim can take from.
#pragma once

#include <errno.h>

#include <atomic>

#include "accounting/shrinkers/lru.h"
#include "accounting/shrinkers/shrink.h"
#include "accounting/shrinkers/shrinker.h"
#include "tests/accounting/tree_fixture.h"

namespace tenure {

// A service's cache: charged objects of one size on an LRU.
class Cache {
public:
  struct Object {
    LruItem item;
    AccountingContext* context;
    Cache* cache;
  };

  explicit Cache(uint64_t bytes = 100, unsigned cost = kOrdinaryCost) : bytes_(bytes) {
    lru_ = Lru::create();
    EXPECT_EQ(register_shrinker("cache", count_of, scan_of, cost, this, &shrinker_), 0);
    tie_lru(*lru_, shrinker_);
  }
  ~Cache() {
    EXPECT_EQ(unregister_shrinker(shrinker_), 0);
    for_each_in_subtree(root_tenant, [this](Tenant& tenant) {
      lru_walk(*lru_, tenant, free_item, nullptr, SIZE_MAX);
      return true;
    });
    EXPECT_EQ(Lru::destroy(lru_), 0);
  }

  bool add(Tenant& tenant, int objects = 1) {
    for (int i = 0; i < objects; ++i) {
      AccountingContext* context = charge(tenant, bytes_, RequestKind::kLarge);
      if (context == nullptr) return false;
      auto* object = new Object{{}, context, this};
      EXPECT_EQ(lru_add(*lru_, tenant, object->item), 0);
    }
    return true;
  }
  size_t count(Tenant& tenant) { return lru_count(*lru_, tenant); }
  Shrinker* shrinker() { return shrinker_; }
  Lru& lru() { return *lru_; }

  std::atomic<int> counts{0}, scans{0};

private:
  static size_t count_of(Tenant* tenant, void* argument) {
    auto& cache = *static_cast<Cache*>(argument);
    ++cache.counts;
    return cache.count(*tenant);
  }
  static size_t scan_of(Tenant* tenant, size_t most, void* argument) {
    auto& cache = *static_cast<Cache*>(argument);
    ++cache.scans;
    return lru_walk(*cache.lru_, *tenant, free_item, nullptr, most);
  }
  static LruVerdict free_item(LruItem* item, void*) {
    auto* object = reinterpret_cast<Object*>(item);
    uncharge(*object->context, object->cache->bytes_);
    delete object;
    return LruVerdict::kRemoved;
  }

  const uint64_t bytes_;
  Lru* lru_ = nullptr;
  Shrinker* shrinker_ = nullptr;
};

class ShrinkerTest : public TreeTest {
protected:
  void SetUp() override {
    TreeTest::SetUp();
    OfflineHooks offline;
    offline.drain_lrus = drain_lrus;
    register_offline_hooks(offline);
    ReclaimHooks hooks;
    hooks.shrink = shrink_subtree;
    register_reclaim_hooks(hooks);
  }
  Tenant& limited(Tenant& parent, const char* name, uint64_t max) {
    Tenant& tenant = make(parent, name);
    tenant.set_max(max);
    tenant.set_policy(Policy::kFailAll);
    return tenant;
  }
  // A charge that is taken back at once.
  static bool fits(Tenant& tenant, uint64_t bytes) {
    AccountingContext* context = charge(tenant, bytes, RequestKind::kSmall);
    if (context) uncharge(*context, bytes);
    return context != nullptr;
  }
};

}  // namespace tenure
