// Named caches: objects of one type, constructed once, charged to tenants.

#include <regex>
#include <set>
#include <signal.h>
#include <thread>

#include "tests/tenants/support/ending.h"
#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

class Cache {
public:
  explicit Cache(const char* name, size_t size, size_t alignment = 0,
                 void (*constructor)(void*) = nullptr) {
    const int error = tenure_cache_create(name, size, alignment, 0, constructor, &cache_);
    REQUIRE(error == 0, "creating cache %s: %d", name, error);
  }
  ~Cache() {
    if (cache_ == nullptr) return;
    size_t live = 0;
    EXPECT_EQ(destroy(&live), 0) << live << " live";
  }
  int destroy(size_t* live) {
    const int error = tenure_cache_destroy(cache_, live);
    if (error == 0) cache_ = nullptr;
    return error;
  }
  // NOLINTNEXTLINE(google-explicit-constructor): the handle is what the API takes.
  operator tenure_cache*() const { return cache_; }

  CacheStats stats() const {
    CacheStats stats = {};
    stats.struct_size = sizeof stats;
    EXPECT_EQ(tenure_cache_stats(cache_, &stats), 0);
    return stats;
  }

private:
  tenure_cache* cache_ = nullptr;
};

using CacheTest = TenantTest;
using Objects = std::vector<void*>;

TEST_F(CacheTest, Arguments) {
  tenure_cache* made = nullptr;
  EXPECT_EQ(tenure_cache_create("x", 0, 0, 0, nullptr, &made), -EINVAL);
  EXPECT_EQ(tenure_cache_create("x", 32769, 0, 0, nullptr, &made), -EINVAL);
  EXPECT_EQ(tenure_cache_create("x", 64, 48, 0, nullptr, &made), -EINVAL);
  EXPECT_EQ(tenure_cache_create("x", 64, 8192, 0, nullptr, &made), -EINVAL);
  EXPECT_EQ(tenure_cache_create("x", 64, 0, 1, nullptr, &made), -EINVAL);
  EXPECT_EQ(tenure_cache_create("x", 64, 0, 0, nullptr, nullptr), -EINVAL);
  EXPECT_EQ(tenure_cache_create(nullptr, 64, 0, 0, nullptr, &made), -EINVAL);
  Cache cache("x", 64), same_name("x", 100);
  tenure_cache_free(cache, nullptr);
  CacheStats stats = {};
  EXPECT_EQ(tenure_cache_stats(cache, &stats), -EINVAL);
}

TEST_F(CacheTest, SizesAndAlignments) {
  for (size_t size : {1, 7, 16, 24, 48, 100, 1000, 4097, 20000, 32768})
    for (size_t alignment : {0, 1, 8, 16, 64, 512, 4096}) {
      Cache cache("sizes", size, alignment);
      EXPECT_GE(cache.stats().object_size, size);
      std::set<uintptr_t> places;
      Objects objects;
      for (int i = 0; i < 40; ++i) {
        void* object = tenure_cache_alloc(cache);
        ASSERT_NE(object, nullptr);
        ASSERT_EQ(uintptr_t(object) % (alignment == 0 ? 16 : alignment), 0u) << size;
        ASSERT_TRUE(places.insert(uintptr_t(object)).second);
        memset(object, i, size);
        objects.push_back(object);
      }
      uintptr_t last = 0;
      for (uintptr_t place : places) {
        ASSERT_TRUE(last == 0 || place - last >= size) << "objects overlap";
        last = place;
      }
      for (size_t i = 0; i < objects.size(); ++i) {
        ASSERT_EQ(static_cast<unsigned char*>(objects[i])[size - 1], i);
        tenure_cache_free(cache, objects[i]);
      }
    }
}

TEST_F(CacheTest, ManyObjectsAndTheirCount) {
  Cache cache("many", 56);
  Objects objects;
  for (size_t i = 0; i < 50000; ++i) {
    objects.push_back(tenure_cache_alloc(cache));
    ASSERT_NE(objects.back(), nullptr);
    *static_cast<size_t*>(objects.back()) = i;
  }
  CacheStats stats = cache.stats();
  EXPECT_EQ(stats.live, 50000u);
  EXPECT_GE(stats.slab_bytes, 50000 * stats.object_size);
  EXPECT_LE(stats.slab_bytes, 50000 * stats.object_size * 5 / 4);
  EXPECT_GE(stats.slabs, 1u);
  size_t live = 0;
  EXPECT_EQ(cache.destroy(&live), -EBUSY);
  EXPECT_EQ(live, 50000u);
  EXPECT_EQ(cache.destroy(nullptr), -EBUSY);
  for (size_t i = 0; i < 50000; ++i) {
    ASSERT_EQ(*static_cast<size_t*>(objects[i]), i);
    tenure_cache_free(cache, objects[i]);
  }
  EXPECT_EQ(cache.stats().live, 0u);
  tenure_cache_shrink(cache);
  stats = cache.stats();
  EXPECT_EQ(stats.slabs, 0u);
  EXPECT_EQ(stats.slab_bytes, 0u);
  EXPECT_EQ(stats.cached, 0u);
}

TEST_F(CacheTest, ShrinkCountsSlabs) {
  Cache cache("shrink", 200);
  Objects objects;
  for (int i = 0; i < 5000; ++i) objects.push_back(tenure_cache_alloc(cache));
  // Freed slabs may go back before; all that remain do so now.
  for (void* object : objects) tenure_cache_free(cache, object);
  const size_t slabs = cache.stats().slabs;
  EXPECT_EQ(tenure_cache_shrink(cache), slabs);
  EXPECT_EQ(tenure_cache_shrink(cache), 0u);
}

struct Widget {
  uint64_t magic;
  uint64_t uses;
  char rest[80];
};
constexpr uint64_t kMagic = 0xABCDEF0123456789;
std::atomic<size_t> constructed;

void construct(void* object) {
  auto* widget = static_cast<Widget*>(object);
  widget->magic = kMagic;
  widget->uses = 0;
  memset(widget->rest, 0x42, sizeof widget->rest);
  ++constructed;
}

void expect_constructed(const void* object) {
  const auto* widget = static_cast<const Widget*>(object);
  ASSERT_EQ(widget->magic, kMagic);
  for (char c : widget->rest) ASSERT_EQ(c, 0x42);
}

TEST_F(CacheTest, ConstructorRunsOnceForEachObject) {
  constructed = 0;
  Cache cache("widgets", sizeof(Widget), 0, construct);
  std::set<void*> seen;
  for (int round = 0; round < 20; ++round) {
    Objects objects;
    for (int i = 0; i < 500; ++i) {
      void* object = tenure_cache_alloc(cache);
      expect_constructed(object);
      if (seen.insert(object).second)
        EXPECT_EQ(static_cast<Widget*>(object)->uses, 0u);
      else
        EXPECT_GT(static_cast<Widget*>(object)->uses, 0u) << "constructed twice";
      ++static_cast<Widget*>(object)->uses;
      objects.push_back(object);
    }
    for (void* object : objects) tenure_cache_free(cache, object);
  }
  EXPECT_GE(constructed, seen.size());
  EXPECT_LE(constructed, seen.size() + 500) << "objects are used again, as constructed";
  // Memory that went back is constructed anew.
  tenure_cache_shrink(cache);
  void* dirt = malloc(10 * kMiB);
  memset(dirt, 0x99, 10 * kMiB);
  free(dirt);
  Objects objects;
  for (int i = 0; i < 1000; ++i) {
    objects.push_back(tenure_cache_alloc(cache));
    expect_constructed(objects.back());
  }
  for (void* object : objects) tenure_cache_free(cache, object);
}

Tenant* for_constructor;

TEST_F(CacheTest, ConstructorMayAllocate) {
  Tenant acme("acme");
  for_constructor = &acme;
  Cache cache("allocating", 128, 0, [](void* object) {
    free(malloc(100));
    Tenant made("by-constructor", *for_constructor);
    memset(object, 0x21, 128);
  });
  Objects objects;
  for (int i = 0; i < 100; ++i) {
    objects.push_back(tenure_cache_alloc_for(cache, acme));
    ASSERT_NE(objects.back(), nullptr);
    ASSERT_EQ(static_cast<char*>(objects.back())[127], 0x21);
  }
  for (void* object : objects) tenure_cache_free(cache, object);
}

TEST_F(CacheTest, Bulk) {
  Tenant acme("acme");
  Cache cache("bulk", 96);
  Objects objects(1000);
  {
    Inside inside(acme);
    ASSERT_EQ(tenure_cache_alloc_bulk(cache, 0, objects.data()), 0);
    ASSERT_EQ(tenure_cache_alloc_bulk(cache, 1000, objects.data()), 0);
  }
  EXPECT_EQ(std::set<void*>(objects.begin(), objects.end()).size(), 1000u);
  EXPECT_EQ(cache.stats().live, 1000u);
  EXPECT_GE(acme.usage(), 96000u);
  for (void* object : objects) memset(object, 1, 96);
  tenure_cache_free_bulk(cache, 0, objects.data());
  tenure_cache_free_bulk(cache, 1000, objects.data());
  EXPECT_EQ(cache.stats().live, 0u);
  acme.policy(TENURE_FAIL_ALL);
  acme.limit(TENURE_MAX, 512 * kKiB);
  Objects many(100000);
  Inside inside(acme);
  EXPECT_EQ(tenure_cache_alloc_bulk(cache, many.size(), many.data()), -ENOMEM);
  EXPECT_EQ(cache.stats().live, 0u) << "all or none";
  EXPECT_EQ(tenure_cache_alloc_bulk(cache, 1000, objects.data()), 0);
  tenure_cache_free_bulk(cache, 1000, objects.data());
}

TEST_F(CacheTest, EachTenantIsCharged) {
  Tenant acme("acme"), other("other");
  Cache cache("charged", 500);
  Objects objects;
  for (int i = 0; i < 1000; ++i) objects.push_back(tenure_cache_alloc_for(cache, acme));
  EXPECT_GE(acme.usage(), 500000u);
  EXPECT_EQ(other.usage(), 0u);
  {
    Inside inside(other);
    objects.push_back(tenure_cache_alloc(cache));
  }
  EXPECT_GE(other.usage(), 500u);
  EXPECT_EQ(owner_id(objects[0]), tenure_tenant_id(acme));
  EXPECT_EQ(owner_id(objects[1000]), tenure_tenant_id(other));
  EXPECT_EQ(cache.stats().tenants, 1u) << "the one that fills slabs has its own";
  std::thread([&] {
    for (void* object : objects) tenure_cache_free(cache, object);
  }).join();
  tenure_cache_shrink(cache);
  EXPECT_EQ(acme.settled(), 0u);
  EXPECT_EQ(other.settled(), 0u);
}

TEST_F(CacheTest, LimitsHold) {
  Tenant acme("acme");
  acme.policy(TENURE_FAIL_ALL);
  acme.limit(TENURE_MAX, kMiB);
  Cache cache("limited", 256);
  Objects objects;
  errno = 0;
  while (void* object = tenure_cache_alloc_for(cache, acme)) {
    objects.push_back(object);
    ASSERT_LT(objects.size(), 5000u);
  }
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_GE(objects.size(), 2048u);
  EXPECT_LE(acme.stats().peak, kMiB);
  for (void* object : objects) tenure_cache_free(cache, object);
  // What a cache keeps for the tenant is given up for its other requests.
  void* block = tenure_malloc(acme, 900 * kKiB);
  EXPECT_NE(block, nullptr);
  free(block);
}

TEST_F(CacheTest, ObjectsOutliveTheirTenant) {
  Tenant parent("parent"), child("child", parent);
  Cache cache("outliving", sizeof(Widget), 0, construct);
  Objects objects;
  for (int i = 0; i < 1000; ++i) objects.push_back(tenure_cache_alloc_for(cache, child));
  child.offline();
  EXPECT_EQ(owner_id(objects[0]), tenure_tenant_id(parent));
  for (void* object : objects) expect_constructed(object);
  void* late = tenure_cache_alloc_for(cache, child);
  ASSERT_NE(late, nullptr);
  EXPECT_EQ(owner_id(late), tenure_tenant_id(parent));
  expect_constructed(late);
  size_t live = 0;
  EXPECT_EQ(cache.destroy(&live), -EBUSY);
  EXPECT_EQ(live, 1001u);
  EXPECT_EQ(tenure_reap(), 1u);
  for (void* object : objects) tenure_cache_free(cache, object);
  tenure_cache_free(cache, late);
  EXPECT_EQ(tenure_reap(), 0u);
  EXPECT_EQ(parent.settled(), 0u);
}

TEST_F(CacheTest, DestroyedWhileTenantsHaveListsInIt) {
  Tenant acme("acme"), other("other");
  for (int round = 0; round < 20; ++round) {
    Cache cache("short-lived", 64);
    for (tenure_tenant* tenant :
         {static_cast<tenure_tenant*>(acme), static_cast<tenure_tenant*>(other)})
      for (int i = 0; i < 100; ++i) tenure_cache_free(cache, tenure_cache_alloc_for(cache, tenant));
  }
  EXPECT_EQ(acme.settled(), 0u);
  EXPECT_EQ(other.settled(), 0u);
}

// A cache's objects do not come from malloc's slabs, nor from another cache's.
TEST_F(CacheTest, WrongCacheAborts) {
  Cache first("first", 64), second("second", 64);
  void* object = tenure_cache_alloc(first);
  const std::regex line("tenure: [^\n]*pointer 0x[0-9a-f]+[^\n]*\n");
  const Ending wrong = ending_of([&] { tenure_cache_free(second, object); });
  EXPECT_TRUE(wrong.signalled(SIGABRT)) << wrong.status;
  EXPECT_TRUE(std::regex_match(wrong.err, line)) << wrong.err;
  const Ending foreign = ending_of([&] { tenure_cache_free(first, malloc(64)); });
  EXPECT_TRUE(foreign.signalled(SIGABRT)) << foreign.status;
  EXPECT_TRUE(std::regex_match(foreign.err, line)) << foreign.err;
  const Ending twice = ending_of([&] {
    tenure_cache_free(first, object);
    tenure_cache_free(first, object);
  });
  EXPECT_TRUE(twice.signalled(SIGABRT)) << twice.status;
  EXPECT_TRUE(std::regex_match(twice.err, line)) << twice.err;
  tenure_cache_free(first, object);
}

}  // namespace
}  // namespace blackbox
