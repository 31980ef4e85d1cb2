// Reclaim as a service sees it: what it can do without goes before a request of it fails, and
// shrinkers that misbehave harm nobody.

#include <atomic>
#include <stdexcept>
#include <thread>

#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/random.h"
#include "tests/tenants/support/evictable.h"
#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

class ReclaimTest : public TenantTest {
protected:
  // A tenant whose every request fails at its limit, if nothing can go.
  static Tenant limited(const char* name, size_t max, tenure_tenant* parent = tenure_root()) {
    Tenant tenant(name, parent);
    tenant.policy(TENURE_FAIL_ALL);
    tenant.limit(TENURE_MAX, max);
    return tenant;
  }
};

constexpr size_t kMax = 8 * kMiB;

// Nine tenths of the limit are cache, one tenth is in use. However the service goes on, with small
// objects or large ones, nothing fails, until all of the cache has gone.
TEST_F(ReclaimTest, NothingFailsWhileNineTenthsCanGo) {
  for (size_t cached : {size_t(48), size_t(700), size_t(5000), 40 * kKiB}) {
    for (size_t asked : {size_t(48), size_t(700), size_t(20000), 120 * kKiB, kMiB}) {
      Tenant tenant = limited("tenant", kMax);
      Evictable cache;
      Blocks used;
      used.fill(tenant, 1000, kMax / 10);
      while (tenant.usage() < kMax - 128 * kKiB) ASSERT_TRUE(cache.add(tenant, cached));
      const size_t before = cache.count(tenant);
      Blocks blocks;
      const size_t given = blocks.fill(tenant, asked, kMax * 7 / 10);
      EXPECT_GE(given, kMax * 7 / 10) << asked << " beside cached objects of " << cached;
      EXPECT_EQ(tenant.stats().failures, 0u);
      EXPECT_LT(cache.count(tenant), before);
      EXPECT_LE(tenant.stats().peak, kMax);
    }
  }
}

// The service goes on for ever: it replaces what it caches, and asks for working memory meanwhile.
TEST_F(ReclaimTest, AServiceAtItsLimitNeverFails) {
  Tenant tenant = limited("tenant", kMax);
  Evictable cache;
  Random random(5);
  Blocks used;
  used.fill(tenant, 500, kMax / 10);
  const Deadline end(scaled(1));
  size_t steps = 0;
  for (; steps < 2000 || !end.passed(); ++steps) {
    ASSERT_TRUE(cache.add(tenant, 32 + random.below(random.one_in(20) ? 60000 : 3000))) << steps;
    if (steps % 8 != 0) continue;
    void* work = tenure_malloc(tenant, 1 + random.size(400 * kKiB));
    ASSERT_NE(work, nullptr) << steps;
    free(work);
  }
  EXPECT_EQ(tenant.stats().failures, 0u);
  EXPECT_GE(tenant.events(TENURE_EVENT_MAX), 1u) << "the limit was never met";
  EXPECT_LE(tenant.stats().peak, kMax);
}

// What can go lies among what cannot, so that no slab becomes empty. Objects of the same size find
// their place where others were.
TEST_F(ReclaimTest, ScatteredObjectsMakeRoomForTheirLike) {
  for (unsigned flags : {0u, TENURE_ISOLATED}) {
    for (size_t size : {size_t(48), size_t(700), size_t(3000)}) {
      Tenant tenant("tenant", tenure_root(), flags);
      tenant.policy(TENURE_FAIL_ALL);
      tenant.limit(TENURE_MAX, kMax);
      Evictable cache;
      Blocks used;
      for (size_t i = 0;; ++i) {
        if (tenant.usage() >= kMax - 128 * kKiB) break;
        if (i % 10 == 0)
          ASSERT_TRUE(used.add(tenant, size));
        else
          ASSERT_TRUE(cache.add(tenant, size));
      }
      const size_t half = cache.count(tenant) / 2;
      Blocks blocks;
      for (size_t i = 0; i < half; ++i)
        ASSERT_TRUE(blocks.add(tenant, size)) << i << " of " << half << ", size " << size;
      EXPECT_LE(tenant.stats().peak, kMax);
    }
  }
}

// The picture of the issue: a neighbour below its low loses nothing until nobody else has anything.
TEST_F(ReclaimTest, AProtectedNeighbourLosesNothingBeforeOthersHaveNothing) {
  Tenant top = limited("top", 3 * kMax);
  Tenant guarded("guarded", top), other("other", top), busy("busy", top);
  guarded.limit(TENURE_LOW, 2 * kMax);
  Evictable cache;
  while (guarded.usage() < kMax) ASSERT_TRUE(cache.add(guarded, 30000));
  while (other.usage() < kMax) ASSERT_TRUE(cache.add(other, 30000));
  const size_t kept = cache.count(guarded);
  Blocks blocks;
  while (cache.count(other) > 0) {
    ASSERT_TRUE(blocks.add(busy, 20000));
    ASSERT_EQ(cache.count(guarded), kept) << cache.count(other) << " objects of others are left";
  }
  EXPECT_EQ(guarded.events(TENURE_EVENT_LOW), 0u);
  // Nobody else has anything: rather than fail, low gives way.
  ASSERT_TRUE(blocks.fill(busy, 20000, kMax / 2) >= kMax / 2);
  EXPECT_LT(cache.count(guarded), kept);
  EXPECT_GE(guarded.events(TENURE_EVENT_LOW), 1u);
  EXPECT_EQ(top.stats().failures, 0u);
}

// ---- shrinkers that misbehave, beside one that does not ----

struct Misbehaving {
  explicit Misbehaving(tenure_shrink_scan scan, size_t claimed = 1000) : claimed_(claimed) {
    const auto count = [](tenure_tenant*, void* self) {
      auto* own = static_cast<Misbehaving*>(self);
      ++own->calls;
      return own->claimed_;
    };
    const int error = tenure_shrinker_register("misbehaving", count, scan, 2, this, &shrinker_);
    REQUIRE(error == 0, "registering the shrinker: %d", error);
  }
  ~Misbehaving() { REQUIRE(tenure_shrinker_unregister(shrinker_) == 0, "not unregistered"); }
  std::atomic<size_t> calls{0};
  tenure_tenant* tenant = nullptr;
  std::atomic<size_t> allocated{0}, refused{0};

private:
  const size_t claimed_;
  tenure_shrinker* shrinker_ = nullptr;
};

class BadShrinkers : public ReclaimTest {
protected:
  // The tenant gets all its good cache holds, then fails in bounded time, and its neighbour is not
  // touched.
  static void expect_no_harm(Misbehaving& bad, double longest) {
    Tenant tenant = limited("tenant", kMax), neighbour("neighbour");
    bad.tenant = tenant;
    Evictable cache;
    while (tenant.usage() < kMax - 128 * kKiB) ASSERT_TRUE(cache.add(tenant, 5000));
    while (neighbour.usage() < kMiB) ASSERT_TRUE(cache.add(neighbour, 5000));
    const size_t kept = cache.count(neighbour);
    Blocks blocks;
    EXPECT_GE(blocks.fill(tenant, 60 * kKiB, kMax * 8 / 10), kMax * 8 / 10);
    EXPECT_EQ(tenant.stats().failures, 0u);
    EXPECT_GT(bad.calls, 0u);
    const double start = now_seconds();
    errno = 0;
    EXPECT_EQ(tenure_malloc(tenant, kMax / 2), nullptr);
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_LT(now_seconds() - start, longest);
    EXPECT_EQ(cache.count(neighbour), kept);
    EXPECT_LE(tenant.stats().peak, kMax);
    blocks.clear();
    EXPECT_TRUE(blocks.add(tenant, kMax / 2)) << "as before, once there is room";
  }
};

TEST_F(BadShrinkers, ThatFreeNothing) {
  Misbehaving bad([](tenure_tenant*, size_t, void*) { return size_t(0); });
  expect_no_harm(bad, 2);
}
TEST_F(BadShrinkers, ThatClaimWhatTheyDidNotFree) {
  Misbehaving bad([](tenure_tenant*, size_t, void*) { return SIZE_MAX; }, SIZE_MAX);
  expect_no_harm(bad, 2);
}
TEST_F(BadShrinkers, ThatThrow) {
  Misbehaving bad([](tenure_tenant*, size_t, void*) -> size_t { throw std::runtime_error("no"); });
  expect_no_harm(bad, 5);
}
TEST_F(BadShrinkers, ThatTakeLong) {
  Misbehaving bad(
      [](tenure_tenant*, size_t, void*) {
        sleep_seconds(0.005);
        return size_t(0);
      },
      1);
  expect_no_harm(bad, 30);
}

// What they allocate is the root's, whoever's memory is short; what they ask for on behalf of the
// tenant at its limit is refused, not reclaimed.
TEST_F(BadShrinkers, ThatAllocate) {
  const auto scan = [](tenure_tenant*, size_t, void* self) -> size_t {
    auto* own = static_cast<Misbehaving*>(self);
    void* block = malloc(3000);
    EXPECT_EQ(tenure_owner(block), tenure_root());
    free(realloc(block, 100 * kKiB));
    ++own->allocated;
    void* large = tenure_malloc(own->tenant, 2 * kMax);
    EXPECT_EQ(large, nullptr);
    ++own->refused;
    free(large);
    return 0;
  };
  Misbehaving bad(scan);
  Tenant tenant = limited("tenant", kMax);
  bad.tenant = tenant;
  {
    Blocks blocks;
    EXPECT_GE(blocks.fill(tenant, 60 * kKiB, 2 * kMax), kMax * 8 / 10);
    const tenure_scope outer = tenure_enter(tenant);
    void* const refused = malloc(kMax);
    const tenure_tenant* const current = tenure_current();
    tenure_leave(outer);
    EXPECT_EQ(refused, nullptr);
    free(refused);
    EXPECT_EQ(current, tenant) << "the scope is as it was";
  }
  EXPECT_GT(bad.allocated, 0u);
  EXPECT_LE(tenant.stats().peak, kMax);
  EXPECT_EQ(tenant.settled(), 0u);
}

// While one thread waits for a slow shrinker, others of the same tenant and elsewhere go on.
TEST_F(BadShrinkers, ThatTakeLongKeepNobodyElse) {
  static std::atomic<int> stage;
  stage = 0;
  Misbehaving bad(
      [](tenure_tenant*, size_t, void*) {
        int none = 0;
        if (!stage.compare_exchange_strong(none, 1)) return size_t(0);
        while (stage == 1) sleep_seconds(0.001);
        return size_t(0);
      },
      1);
  Tenant tenant = limited("tenant", kMax), other("other");
  Blocks blocks;
  blocks.add_many(tenant, 1000, 1000);
  std::thread waits([&] { EXPECT_EQ(tenure_malloc(tenant, 2 * kMax), nullptr); });
  while (stage == 0) sleep_seconds(0.001);
  for (int i = 0; i < 2000; ++i) {
    void* own = tenure_malloc(tenant, 100 + size_t(i));
    void* others = tenure_malloc(other, 100 + size_t(i));
    ASSERT_TRUE(own != nullptr && others != nullptr);
    free(own);
    free(others);
  }
  EXPECT_EQ(tenure_malloc(tenant, 2 * kMax), nullptr) << "the second at the limit is not held up";
  EXPECT_EQ(stage, 1);
  stage = 2;
  waits.join();
}

}  // namespace
}  // namespace blackbox
