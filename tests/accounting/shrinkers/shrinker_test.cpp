#include "accounting/shrinkers/shrinker.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/accounting/shrinkers/shrinker_fixture.h"

namespace tenure {
namespace {

TEST_F(ShrinkerTest, Arguments) {
  const auto count = [](Tenant*, void*) -> size_t { return 0; };
  const auto scan = [](Tenant*, size_t, void*) -> size_t { return 0; };
  Shrinker* shrinker = nullptr;
  EXPECT_EQ(register_shrinker(nullptr, count, scan, 2, nullptr, &shrinker), -EINVAL);
  EXPECT_EQ(register_shrinker("x", nullptr, scan, 2, nullptr, &shrinker), -EINVAL);
  EXPECT_EQ(register_shrinker("x", count, nullptr, 2, nullptr, &shrinker), -EINVAL);
  EXPECT_EQ(register_shrinker("x", count, scan, 0, nullptr, &shrinker), -EINVAL);
  EXPECT_EQ(register_shrinker("x", count, scan, kHighestCost + 1, nullptr, &shrinker), -EINVAL);
  std::vector<Shrinker*> all;
  for (uint32_t i = 0; i < kMostShrinkers; ++i) {
    ASSERT_EQ(register_shrinker("x", count, scan, 2, nullptr, &shrinker), 0);
    all.push_back(shrinker);
  }
  EXPECT_EQ(register_shrinker("x", count, scan, 2, nullptr, &shrinker), -ENOSPC);
  for (Shrinker* each : all) EXPECT_EQ(unregister_shrinker(each), 0);
  EXPECT_FALSE(any_untied_shrinker());
}

TEST_F(ShrinkerTest, OnlyTenantsWithItemsAreAskedFor) {
  Tenant& a = limited(root_tenant, "a", 10000);
  Tenant& b = make(root_tenant, "b");
  Cache cache, other;
  EXPECT_TRUE(cache.add(a, 10));
  grace::ReadSection section;
  EXPECT_TRUE(shrinker_marked(a, cache.shrinker()->index));
  EXPECT_FALSE(shrinker_marked(a, other.shrinker()->index));
  EXPECT_FALSE(any_shrinker_marked(b));
}

TEST_F(ShrinkerTest, TheMarkGoesWhenNothingIsCounted) {
  Tenant& a = limited(root_tenant, "a", 1000);
  Cache cache;
  EXPECT_TRUE(cache.add(a, 10));
  EXPECT_TRUE(fits(a, 1000));
  EXPECT_EQ(cache.count(a), 0u);
  AccountingContext* held = charge(a, 1000, RequestKind::kSmall);
  EXPECT_FALSE(fits(a, 1));  // Asks once more, and finds nothing.
  const int asked = cache.counts;
  EXPECT_FALSE(fits(a, 1));
  EXPECT_EQ(cache.counts, asked);
  uncharge(*held, 1000);
  EXPECT_TRUE(cache.add(a, 10));
  EXPECT_TRUE(fits(a, 1000));
}

TEST_F(ShrinkerTest, ItemsFromBeforeTheTieCount) {
  Tenant& a = limited(root_tenant, "a", 1000);
  Cache cache;
  tie_lru(cache.lru(), nullptr);
  EXPECT_TRUE(cache.add(a, 10));
  EXPECT_FALSE(fits(a, 100));
  tie_lru(cache.lru(), cache.shrinker());
  EXPECT_TRUE(fits(a, 100));
}

TEST_F(ShrinkerTest, ATenantAtItsLimitGivesUpItsCacheAndNothingFails) {
  Tenant& a = limited(root_tenant, "a", 100000);
  Cache cache;
  EXPECT_TRUE(cache.add(a, 900));
  std::vector<AccountingContext*> kept;
  for (int i = 0; i < 100; ++i) {
    AccountingContext* context = charge(a, 1000, RequestKind::kSmall);
    ASSERT_NE(context, nullptr) << i;
    kept.push_back(context);
  }
  EXPECT_EQ(a.counter.failures(), 0u);
  EXPECT_EQ(a.counter.usage(), 100000u);
  EXPECT_EQ(cache.count(a), 0u);
  EXPECT_FALSE(fits(a, 1));
  for (AccountingContext* context : kept) uncharge(*context, 1000);
}

TEST_F(ShrinkerTest, GivesInProportionToUsage) {
  Tenant& top = make(root_tenant, "top");
  Tenant& a = make(top, "a");
  Tenant& b = make(top, "b");
  Cache cache;
  EXPECT_TRUE(cache.add(a, 1000));
  EXPECT_TRUE(cache.add(b, 3000));
  const size_t freed = reclaim(top, 40000, ReclaimStage::kShrink);
  EXPECT_EQ(freed, 40000u);
  EXPECT_EQ(cache.count(a), 900u);
  EXPECT_EQ(cache.count(b), 2700u);
}

TEST_F(ShrinkerTest, DearObjectsGoLater) {
  Tenant& a = make(root_tenant, "a");
  Cache cheap(100, 2), dear(100, 8);
  EXPECT_TRUE(cheap.add(a, 1000));
  EXPECT_TRUE(dear.add(a, 1000));
  EXPECT_GE(reclaim(a, 10000, ReclaimStage::kShrink), 10000u);
  EXPECT_LT(cheap.count(a), dear.count(a));
  EXPECT_LT(dear.count(a), 1000u);
}

TEST_F(ShrinkerTest, AProtectedNeighbourLosesNothingUntilOthersHaveNothing) {
  Tenant& top = limited(root_tenant, "top", 300000);
  Tenant& guarded = make(top, "guarded");
  Tenant& inside = make(guarded, "inside");
  Tenant& open = make(top, "open");
  Tenant& firm = make(top, "firm");
  guarded.counter.set_low(100000);
  firm.counter.set_min(50000);
  Cache cache;
  EXPECT_TRUE(cache.add(inside, 1000));
  EXPECT_TRUE(cache.add(firm, 500));
  EXPECT_TRUE(cache.add(open, 1500));
  EXPECT_EQ(top.counter.usage(), 300000u);
  std::vector<AccountingContext*> kept;
  for (int i = 0; i < 150; ++i) {
    kept.push_back(charge(open, 1000, RequestKind::kSmall));
    ASSERT_NE(kept.back(), nullptr);
    if (i < 148) {
      ASSERT_EQ(cache.count(inside), 1000u) << i;
    }
  }
  EXPECT_EQ(guarded.event_count(EventKind::kLow) + inside.event_count(EventKind::kLow), 0u);
  // Now nobody else has anything: low gives way, min does not.
  for (int i = 0; i < 100; ++i) {
    kept.push_back(charge(open, 1000, RequestKind::kSmall));
    ASSERT_NE(kept.back(), nullptr);
    ASSERT_EQ(cache.count(firm), 500u);
  }
  EXPECT_GT(inside.event_count(EventKind::kLow), 0u);
  EXPECT_EQ(cache.count(inside), 0u);
  EXPECT_FALSE(fits(open, 1));
  EXPECT_EQ(cache.count(firm), 500u);
  // On behalf of its own limit a protected tenant is fair game.
  firm.set_max(20000);
  EXPECT_EQ(reclaim_to(firm, 20000), 30000u);
  for (AccountingContext* context : kept) uncharge(*context, 1000);
}

TEST_F(ShrinkerTest, MoreTenantsThanOneGatheringHolds) {
  Tenant& top = limited(root_tenant, "top", 100000);
  Cache cache;
  std::vector<Tenant*> all;
  for (int i = 0; i < 100; ++i) {
    all.push_back(&make(top, std::to_string(i).c_str()));
    EXPECT_TRUE(cache.add(*all.back(), 10));
  }
  // Small demands go round.
  for (int i = 0; i < 10; ++i) EXPECT_GE(reclaim(top, 3200, ReclaimStage::kShrink), 3200u);
  for (Tenant* tenant : all) EXPECT_LT(cache.count(*tenant), 10u) << tenant->name();
  EXPECT_TRUE(fits(top, 100000));
  EXPECT_FALSE(fits(top, 100001));
}

// Objects go to the parent with their tenant, and its limit finds them there.
TEST_F(ShrinkerTest, ObjectsOfDepartedTenantsAreShrunkForTheirHeirs) {
  Tenant& top = limited(root_tenant, "top", 10000);
  Tenant& a = make(top, "a");
  Cache cache;
  EXPECT_TRUE(cache.add(a, 100));
  EXPECT_EQ(offline_tenant(a, 0), 0);
  EXPECT_EQ(cache.count(top), 100u);
  EXPECT_TRUE(fits(top, 10000));
  EXPECT_EQ(cache.count(top), 0u);
}

TEST_F(ShrinkerTest, UnregisteringInsideIsRefused) {
  Tenant& a = limited(root_tenant, "a", 100);
  static Shrinker* self;
  static int result;
  result = 0;
  ASSERT_EQ(register_shrinker(
                "self", [](Tenant*, void*) -> size_t { return 1; },
                [](Tenant*, size_t, void*) -> size_t {
                  result = unregister_shrinker(self);
                  return 0;
                },
                2, nullptr, &self),
            0);
  AccountingContext* held = charge(a, 100, RequestKind::kSmall);
  EXPECT_FALSE(fits(a, 100));
  EXPECT_EQ(result, -EDEADLK);
  uncharge(*held, 100);
  EXPECT_EQ(unregister_shrinker(self), 0);
}

TEST_F(ShrinkerTest, UnregisteringWaitsForCalls) {
  Tenant& a = limited(root_tenant, "a", 100);
  static std::atomic<int> stage;
  stage = 0;
  Shrinker* slow = nullptr;
  ASSERT_EQ(register_shrinker(
                "slow", [](Tenant*, void*) -> size_t { return 1; },
                [](Tenant*, size_t, void*) -> size_t {
                  int none = 0;
                  if (!stage.compare_exchange_strong(none, 1)) return 0;
                  while (stage != 2) std::this_thread::yield();
                  for (int i = 0; i < 100; ++i) std::this_thread::yield();
                  stage = 3;
                  return 0;
                },
                2, nullptr, &slow),
            0);
  AccountingContext* held = charge(a, 100, RequestKind::kSmall);
  std::thread reclaimer([&a] {
    while (stage == 0) fits(a, 100);
  });
  while (stage != 1) std::this_thread::yield();
  stage = 2;
  EXPECT_EQ(unregister_shrinker(slow), 0);
  EXPECT_EQ(stage, 3);
  reclaimer.join();
  EXPECT_FALSE(fits(a, 100));
  EXPECT_EQ(stage, 3);
  uncharge(*held, 100);
}

TEST_F(ShrinkerTest, NotUnderALockNorInAReadSection) {
  Tenant& a = make(root_tenant, "a");
  Cache cache;
  EXPECT_TRUE(cache.add(a, 10));
  {
    MutexGuard guard(tenants_mutex);
    EXPECT_EQ(reclaim(a, 100, ReclaimStage::kShrink), 0u);
  }
  {
    grace::ReadSection section;
    EXPECT_EQ(reclaim(a, 100, ReclaimStage::kShrink), 0u);
  }
  {
    const ChargingScope outer, in_a_handler;
    EXPECT_EQ(reclaim(a, 100, ReclaimStage::kShrink), 0u);
  }
  EXPECT_EQ(cache.scans, 0);
  EXPECT_EQ(reclaim(a, 100, ReclaimStage::kShrink), 100u);
}

// A realloc that shrinks has its own charges refused quietly, not those of the shrinkers that happen to run in it.
TEST_F(ShrinkerTest, ShrinkersAreNotQuiet) {
  static bool called, quiet;
  called = false;
  ReclaimHooks hooks;
  hooks.shrink = [](Tenant&, size_t) -> size_t {
    called = true;
    quiet = refuses_quietly();
    return 0;
  };
  register_reclaim_hooks(hooks);
  {
    const QuietScope scope;
    reclaim(root_tenant, 1, ReclaimStage::kShrink);
    EXPECT_TRUE(refuses_quietly());
  }
  EXPECT_TRUE(called);
  EXPECT_FALSE(quiet);
  EXPECT_FALSE(refuses_quietly());
}

#if !defined(__SANITIZE_THREAD__)  // Its runtime does not survive fork in a threaded program.
TEST_F(ShrinkerTest, AForkChildOfAThreadedProcessHasNone) {
  Tenant& a = limited(root_tenant, "a", 1000);
  Cache cache;
  EXPECT_TRUE(cache.add(a, 10));
  std::atomic<int> stage{0};
  Shrinker* slow = nullptr;
  ASSERT_EQ(register_shrinker(
                "slow", [](Tenant*, void*) -> size_t { return 1; },
                [](Tenant*, size_t, void* argument) -> size_t {
                  auto& call = *static_cast<std::atomic<int>*>(argument);
                  int none = 0;
                  call.compare_exchange_strong(none, 1);
                  while (call != 2) std::this_thread::yield();
                  return 0;
                },
                2, &stage, &slow),
            0);
  Tenant& b = limited(root_tenant, "b", 10);
  AccountingContext* held = charge(b, 10, RequestKind::kSmall);
  std::thread reclaimer([&b] { fits(b, 100); });
  while (stage != 1) std::this_thread::yield();
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    const bool sections_cut_off = grace::after_fork_child();
    deferred::after_fork_child();
    shrinkers_after_fork_child();
    lrus_after_fork_child();
    tenants_after_fork_child(sections_cut_off);
    if (fits(a, 1)) _exit(1);  // Nobody lets anything go.
    // A call of a thread that is gone is not waited for, and the LRU works.
    if (unregister_shrinker(slow) != 0) _exit(2);
    if (cache.count(a) != 10) _exit(3);
    if (offline_tenant(a, 0) != 0 || cache.count(root_tenant) != 10) _exit(4);
    Shrinker* anew = nullptr;
    const CountCallback none = [](Tenant*, void*) -> size_t { return 0; };
    const ScanCallback nothing = [](Tenant*, size_t, void*) -> size_t { return 0; };
    if (register_shrinker("anew", none, nothing, 2, nullptr, &anew) != 0) _exit(5);
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  stage = 2;
  reclaimer.join();
  uncharge(*held, 10);
  EXPECT_EQ(unregister_shrinker(slow), 0);
  EXPECT_TRUE(fits(a, 1));
}
#endif

TEST_F(ShrinkerTest, ThreadsAtTheLimitTogether) {
  Tenant& top = limited(root_tenant, "top", 400000);
  Cache cache;
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Tenant* mine = nullptr;
      ASSERT_EQ(create_tenant(top, std::to_string(t).c_str(), &mine), 0);
      for (int i = 0; i < 20000; ++i) failures += !cache.add(*mine);
      EXPECT_EQ(offline_tenant(*mine, 0), 0);
      mine->unpin();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_LE(top.counter.peak(), 400000u);
  EXPECT_EQ(cache.count(top), top.counter.usage() / 100);
  EXPECT_TRUE(validate_lru(cache.lru()));
}

}  // namespace
}  // namespace tenure
