// Callbacks that throw, and the lock and read sections they are called in; threads that a fork leaves
// behind in them.

#include <atomic>
#include <signal.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

#include "tests/tenants/support/ending.h"
#include "tests/tenants/support/evictable.h"
#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

using CallbacksTest = TenantTest;

// Hangs where something is held for ever.
template <typename Function>
void expect_no_hang(Function function) {
  const Ending child = ending_of([&] {
    alarm(10);
    function();
  });
  EXPECT_EQ(child.status, 0) << child.err;
}

TEST_F(CallbacksTest, AVisitOfTenantsThatThrows) {
  Tenant tenant("tenant"), other("other");
  expect_no_hang([&] {
    int visits = 0;
    int result = 0;
    try {
      result = tenure_tenant_for_each(
          nullptr,
          [](tenure_tenant*, void* argument) -> int {
            ++*static_cast<int*>(argument);
            throw 1;
          },
          &visits);
    } catch (int) {
      result = 1;
    }
    free(tenure_malloc(tenant, 10));
    tenant.offline();
    tenure_reap();
    REQUIRE(result == -ECANCELED && visits == 1, "%d after %d visits", result, visits);
  });
}

TEST_F(CallbacksTest, AVisitMaySetAnEventfdButNotReplaceIt) {
  Tenant tenant("tenant");
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  const auto set_all = [](tenure_tenant* one, void* argument) {
    return one == tenure_root() ? 0
                                : tenure_tenant_set_eventfd(one, *static_cast<int*>(argument), ~0u);
  };
  int number = fd;
  EXPECT_EQ(tenure_tenant_for_each(tenure_root(), set_all, &number), 0);
  number = -1;
  EXPECT_EQ(tenure_tenant_for_each(tenure_root(), set_all, &number), -EDEADLK);
  EXPECT_EQ(tenure_tenant_set_eventfd(tenant, -1, 0), 0);
  close(fd);
}

TEST_F(CallbacksTest, AVisitOfTheDeadThatThrows) {
  Tenant tenant("tenant");
  Blocks blocks;
  ASSERT_TRUE(blocks.add(tenant, 100));
  tenant.offline();
  expect_no_hang([] {
    int result = 0;
    try {
      result = tenure_dead_for_each([](const tenure_dead*, void*) -> int { throw 1; }, nullptr);
    } catch (int) {
      result = 1;
    }
    const Tenant next("next");
    REQUIRE(result == -ECANCELED, "%d", result);
  });
}

// What takes no lock as far as anybody knows may be called with it held.
TEST_F(CallbacksTest, AVisitOfTheDeadMayReclaim) {
  Tenant top("top"), below("below", top);
  Blocks blocks;
  ASSERT_TRUE(blocks.add(below, 100 * kKiB));
  below.offline();
  std::atomic<int> calls{0};
  ASSERT_EQ(tenure_tenant_set_handler(
                top, TENURE_EVENT_MAX,
                [](tenure_tenant*, tenure_event, void* argument) {
                  ++*static_cast<std::atomic<int>*>(argument);
                },
                &calls),
            0);
  top.limit(TENURE_MAX, kMiB);
  EXPECT_EQ(tenure_malloc(top, 2 * kMiB), nullptr);
  expect_no_hang([&] {
    tenure_dead_for_each(
        [](const tenure_dead* dead, void*) {
          tenure_tenant_set_limit(dead->payer, TENURE_MAX, 1);
          tenure_tenant_set_limit(dead->payer, TENURE_HIGH, 1);
          tenure_reclaim(dead->payer, kMiB);
          const Inside inside(dead->payer);
          REQUIRE(tenure_checkpoint() == 0, "a handler ran under the lock");
          return 0;
        },
        nullptr);
    REQUIRE(calls == 1, "%d", int(calls));
  });
}

tenure_tenant* of_signal;

// Setting a limit is async-signal-safe, whatever the handler interrupts and others do.
TEST_F(CallbacksTest, ALimitMayBeSetInASignalHandlerInAControlOperation) {
  Tenant top("top"), below("below", top);
  Blocks blocks;
  ASSERT_TRUE(blocks.add(top, 100 * kKiB));
  ASSERT_TRUE(blocks.add(below, 100 * kKiB));
  below.offline();
  of_signal = top;
  expect_no_hang([] {
    signal(SIGUSR1, [](int) { tenure_tenant_set_limit(of_signal, TENURE_MAX, 1); });
    tenure_dead_for_each([](const tenure_dead*, void*) { return raise(SIGUSR1); }, nullptr);
    REQUIRE(tenure_tenant_limit(of_signal, TENURE_MAX) == 1, "not set");
    tenure_dead_for_each(
        [](const tenure_dead*, void*) {
          std::thread([] { tenure_tenant_set_limit(of_signal, TENURE_MAX, 2); }).join();
          return 0;
        },
        nullptr);
    REQUIRE(tenure_tenant_limit(of_signal, TENURE_MAX) == 2, "not set");
  });
}

struct Construction {
  std::atomic<int> before_throw{0};
  std::atomic<int> done{0}, thrown{0};
} construction;

constexpr uint64_t kConstructed = 0x600dc0de;

void construct(void* object) {
  if (--construction.before_throw < 0) {
    ++construction.thrown;
    throw 1;
  }
  ++construction.done;
  *static_cast<uint64_t*>(object) = kConstructed;
}

size_t live_in(tenure_cache* cache) {
  CacheStats stats = {};
  stats.struct_size = sizeof stats;
  EXPECT_EQ(tenure_cache_stats(cache, &stats), 0);
  return stats.live;
}

// From the first object on, or some way into a batch or a slab: what is handed out is constructed, and
// nothing is lost.
TEST_F(CallbacksTest, AConstructorThatThrows) {
  for (size_t size : {size_t(24), size_t(1000), size_t(20000)}) {
    for (int good = 0; good < 100; good = good * 2 + 1) {
      SCOPED_TRACE(testing::Message() << size << " bytes, good " << good);
      tenure_cache* cache = nullptr;
      ASSERT_EQ(tenure_cache_create("throwing", size, 0, 0, construct, &cache), 0);
      Tenant tenant("tenant");
      std::vector<void*> objects;
      construction.done = construction.thrown = 0;
      const auto allocate = [&](bool expected) {
        void* object = nullptr;
        errno = 0;
        EXPECT_NO_THROW(object = tenure_cache_alloc_for(cache, tenant));
        if (object == nullptr) {
          EXPECT_FALSE(expected);
          EXPECT_EQ(errno, ENOMEM);
          return false;
        }
        EXPECT_EQ(*static_cast<uint64_t*>(object), kConstructed);
        objects.push_back(object);
        return true;
      };
      construction.before_throw = good;
      while (allocate(false)) {
      }
      EXPECT_EQ(objects.size(), size_t(good));
      EXPECT_GE(construction.thrown, 1);
      for (int i = 0; i < 50; ++i) allocate(false);
      EXPECT_EQ(live_in(cache), size_t(good));
      EXPECT_EQ(tenure_validate(), 0);
      construction.before_throw = 1000000;
      for (int i = 0; i < 200; ++i) EXPECT_TRUE(allocate(true));
      for (void* object : objects) tenure_cache_free(cache, object);
      size_t live = 0;
      EXPECT_EQ(tenure_cache_destroy(cache, &live), 0) << live;
      EXPECT_EQ(tenant.settled(), 0u);
      EXPECT_EQ(tenure_validate(), 0);
    }
  }
}

TEST_F(CallbacksTest, ConstructorsThatThrowOnSeveralThreads) {
  static std::atomic<unsigned> turn;
  tenure_cache* cache = nullptr;
  ASSERT_EQ(tenure_cache_create(
                "throwing", 500, 0, 0,
                [](void* object) {
                  if (++turn % 7 == 0) throw 1;
                  *static_cast<uint64_t*>(object) = kConstructed;
                },
                &cache),
            0);
  Tenant tenant("tenant");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      void* held[300] = {};
      for (int i = 0; i < 20000; ++i) {
        void*& slot = held[unsigned(i) * 7919u % 300];
        if (slot) tenure_cache_free(cache, slot);
        slot = tenure_cache_alloc_for(cache, tenant);
        if (slot) {
          EXPECT_EQ(*static_cast<uint64_t*>(slot), kConstructed);
        }
        if (i % 1000 != 0) continue;
        for (void*& one : held) tenure_cache_free(cache, std::exchange(one, nullptr));
        tenure_cache_shrink(cache);
      }
      for (void* one : held) tenure_cache_free(cache, one);
    });
  }
  for (auto& thread : threads) thread.join();
  size_t live = 0;
  EXPECT_EQ(tenure_cache_destroy(cache, &live), 0) << live;
  EXPECT_EQ(tenant.settled(), 0u);
}

TEST_F(CallbacksTest, DestroyersTakeNull) {
  size_t live = 1;
  EXPECT_EQ(tenure_cache_destroy(nullptr, &live), 0);
  EXPECT_EQ(live, 0u);
  EXPECT_EQ(tenure_cache_destroy(nullptr, nullptr), 0);
  EXPECT_EQ(tenure_lru_destroy(nullptr), 0);
  EXPECT_EQ(tenure_shrinker_unregister(nullptr), 0);
}

// Another thread is stalled in reclaim at the fork: in the child nobody is.
TEST_F(CallbacksTest, NobodyIsStalledInAForkChild) {
  static std::atomic<bool> entered, open;
  entered = open = false;
  tenure_shrinker* shrinker = nullptr;
  ASSERT_EQ(tenure_shrinker_register(
                "stays", [](tenure_tenant*, void*) -> size_t { return 1; },
                [](tenure_tenant*, size_t, void*) -> size_t {
                  entered = true;
                  while (!open) usleep(100);
                  return 0;
                },
                2, nullptr, &shrinker),
            0);
  Tenant tenant("tenant");
  tenant.policy(TENURE_FAIL_ALL);
  tenant.limit(TENURE_MAX, 5000);
  Blocks blocks;
  ASSERT_TRUE(blocks.add(tenant, 2000));
  std::thread stalled([&] { EXPECT_EQ(tenure_malloc(tenant, 100000), nullptr); });
  while (!entered) usleep(100);
  expect_no_hang([&] {
    for (tenure_tenant* one : {static_cast<tenure_tenant*>(tenant), tenure_root()}) {
      const size_t at_first = stats_of(one).stalled_us;
      usleep(50'000);
      const size_t later = stats_of(one).stalled_us;
      REQUIRE(later == at_first, "%zu, later %zu", at_first, later);
    }
  });
  open = true;
  stalled.join();
  EXPECT_EQ(tenure_shrinker_unregister(shrinker), 0);
}

}  // namespace
}  // namespace blackbox
