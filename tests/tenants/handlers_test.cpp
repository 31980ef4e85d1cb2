// Event handlers at their edges: when they run, what ends them, threads that are gone.

#include <atomic>
#include <optional>
#include <pthread.h>
#include <thread>
#include <unistd.h>

#include "tests/blackbox/support/clock.h"
#include "tests/tenants/support/bursting.h"
#include "tests/tenants/support/ending.h"
#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

void count(tenure_tenant*, tenure_event, void* argument) {
  ++*static_cast<std::atomic<int>*>(argument);
}

// A handler that stays until it is let go.
struct Gate {
  std::atomic<bool> entered{false}, open{false};
  void wait_for_entry() const {
    while (!entered) usleep(100);
  }
};
void stay(tenure_tenant*, tenure_event, void* argument) {
  auto* gate = static_cast<Gate*>(argument);
  gate->entered = true;
  while (!gate->open) usleep(100);
}

using HandlersTest = TenantTest;

TEST_F(HandlersTest, RunAfterEveryControlOperation) {
  std::atomic<int> calls{0};
  Bursting bursting("bursting", count, &calls);
  Tenant other("other");
  tenure_cache* cache = nullptr;
  tenure_lru* lru = nullptr;
  tenure_shrinker* shrinker = nullptr;
  const auto expect_run = [&](const char* what, auto operation) {
    bursting.burst();
    calls = 0;
    EXPECT_EQ(operation(), 0) << what;
    EXPECT_EQ(calls, 1) << what;
  };
  expect_run("cache_create", [&] { return tenure_cache_create("c", 8, 0, 0, nullptr, &cache); });
  expect_run("cache_destroy", [&] { return tenure_cache_destroy(cache, nullptr); });
  expect_run("lru_create", [&] { return tenure_lru_create(&lru); });
  expect_run("shrinker_register", [&] {
    return tenure_shrinker_register(
        "s", [](tenure_tenant*, void*) -> size_t { return 0; },
        [](tenure_tenant*, size_t, void*) -> size_t { return 0; }, 2, nullptr, &shrinker);
  });
  expect_run("lru_set_shrinker", [&] { return tenure_lru_set_shrinker(lru, shrinker); });
  expect_run("shrinker_unregister", [&] { return tenure_shrinker_unregister(shrinker); });
  expect_run("lru_destroy", [&] { return tenure_lru_destroy(lru); });
  expect_run("set_eventfd", [&] { return tenure_tenant_set_eventfd(other, -1, 0); });
  expect_run("set_handler",
             [&] { return tenure_tenant_set_handler(other, TENURE_EVENT_HIGH, nullptr, nullptr); });
  expect_run("dead_for_each", [&] {
    return tenure_dead_for_each([](const tenure_dead*, void*) { return 0; }, nullptr);
  });
  expect_run("reap", [&] { return int(tenure_reap()); });
}

// Neither under the visit's lock or in its read section, nor in the midst of a malloc.
TEST_F(HandlersTest, DoNotRunInsideOtherCallbacks) {
  std::atomic<int> calls{0};
  Bursting bursting("bursting", count, &calls);
  bursting.burst();
  tenure_tenant_for_each(
      tenure_root(), [](tenure_tenant*, void*) { return tenure_checkpoint(); }, nullptr);
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(tenure_checkpoint(), 1);
  static tenure_shrinker* shrinker;
  tenure_shrinker_register(
      "s",
      [](tenure_tenant*, void*) -> size_t {
        EXPECT_EQ(tenure_checkpoint(), 0);
        return 0;
      },
      [](tenure_tenant*, size_t, void*) -> size_t { return 0; }, 2, nullptr, &shrinker);
  bursting.burst();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(tenure_shrinker_unregister(shrinker), 0);
  EXPECT_EQ(calls, 2);
}

TEST_F(HandlersTest, OneThatThrowsKeepsNobodyElsesFromRunning) {
  std::atomic<int> calls{0};
  Bursting last("last", count, &calls), first("first", count, &calls);
  Bursting bad("bad", [](tenure_tenant*, tenure_event, void*) { throw 1; });
  for (int round = 1; round <= 3; ++round) {
    last.burst();
    bad.burst();
    first.burst();
    const Inside inside(last);
    EXPECT_NO_THROW(EXPECT_EQ(tenure_checkpoint(), 3));
    EXPECT_EQ(tenure_current(), last);
    EXPECT_EQ(calls, 2 * round);
  }
}

TEST_F(HandlersTest, CancellationIsPutOffUntilTheyHaveRun) {
  std::atomic<int> calls{0};
  Gate gate;
  Bursting good("good", count, &calls);
  Bursting bad(
      "bad",
      [](tenure_tenant* tenant, tenure_event event, void* argument) {
        stay(tenant, event, argument);
        pthread_testcancel();
      },
      &gate);
  good.burst();
  bad.burst();
  pthread_t thread;
  static std::atomic<bool> returned;
  returned = false;
  ASSERT_EQ(pthread_create(
                &thread, nullptr,
                [](void*) -> void* {
                  tenure_checkpoint();
                  returned = true;
                  pthread_testcancel();
                  return nullptr;
                },
                nullptr),
            0);
  gate.wait_for_entry();
  ASSERT_EQ(pthread_cancel(thread), 0);
  gate.open = true;
  void* result = nullptr;
  ASSERT_EQ(pthread_join(thread, &result), 0);
  EXPECT_EQ(result, PTHREAD_CANCELED);
  EXPECT_TRUE(returned);
  EXPECT_EQ(calls, 1);
  good.burst();
  EXPECT_EQ(tenure_checkpoint(), 1);
}

TEST_F(HandlersTest, OneThatWasTakenAwayDoesNotRun) {
  Gate gate;
  Bursting bursting("bursting", stay, &gate);
  bursting.burst();
  std::thread runner([] { tenure_checkpoint(); });
  gate.wait_for_entry();
  std::atomic<bool> done{false};
  std::thread remover([&] {
    EXPECT_EQ(bursting.set(nullptr), 0);
    done = true;
  });
  usleep(50'000);
  EXPECT_FALSE(done) << "returned while the handler ran";
  gate.open = true;
  remover.join();
  runner.join();
  bursting.burst();
  EXPECT_EQ(tenure_checkpoint(), 0);
}

// The argument is freed as soon as the handler is taken away, while others run it.
TEST_F(HandlersTest, ArgumentsMayGoWithTheirHandlers) {
  struct Argument {
    std::atomic<bool> alive{true};
  };
  static std::atomic<int> late;
  late = 0;
  const auto handler = [](tenure_tenant*, tenure_event, void* argument) {
    const auto& own = *static_cast<Argument*>(argument);
    for (int i = 0; i < 50; ++i) late += !own.alive;
  };
  Bursting bursting("bursting");
  std::optional<BurstingThreads> threads(std::in_place, bursting, [&] { tenure_checkpoint(); });
  Argument arguments[2];
  size_t round = 0;
  for (const Deadline end(scaled(0.3)); !end.passed(); ++round) {
    Argument& next = arguments[round % 2];
    next.alive = true;
    EXPECT_EQ(bursting.set(handler, &next), 0);
    arguments[(round + 1) % 2].alive = false;
    if (round % 8 == 0) usleep(100);
  }
  threads.reset();
  EXPECT_EQ(late, 0) << "in " << round << " rounds";
}

TEST_F(HandlersTest, MayTakeThemselvesAway) {
  struct Results {
    Bursting* own;
    Bursting* other;
    int of_own, of_other;
  } results{};
  Bursting other("other");
  Bursting bursting(
      "bursting",
      [](tenure_tenant*, tenure_event, void* argument) {
        auto* r = static_cast<Results*>(argument);
        r->of_own = r->own->set(nullptr);
        r->of_other = r->other->set([](tenure_tenant*, tenure_event, void*) {});
      },
      &results);
  results.own = &bursting;
  results.other = &other;
  bursting.burst();
  EXPECT_EQ(tenure_checkpoint(), 1);
  EXPECT_EQ(results.of_own, 0);
  EXPECT_EQ(results.of_other, 0);
  bursting.burst();
  EXPECT_EQ(tenure_checkpoint(), 0) << "once only";
}

// Two that wait for each other's end would wait for ever.
TEST_F(HandlersTest, CannotTakeThemselvesAwayWhileOthersAreInThem) {
  struct Meeting {
    Bursting* own = nullptr;
    std::atomic<int> inside{0}, refused{0}, left{0};
  } meeting;
  Bursting bursting(
      "bursting",
      [](tenure_tenant*, tenure_event, void* argument) {
        auto* m = static_cast<Meeting*>(argument);
        ++m->inside;
        while (m->inside < 2) usleep(100);
        if (m->own->set(nullptr) == -EDEADLK) ++m->refused;
        ++m->left;
        while (m->left < 2) usleep(100);
      },
      &meeting);
  meeting.own = &bursting;
  bursting.burst();
  std::thread other([] { tenure_checkpoint(); });
  while (meeting.inside == 0) usleep(100);
  bursting.burst();
  EXPECT_EQ(tenure_checkpoint(), 1);
  other.join();
  EXPECT_EQ(meeting.refused, 2);
  EXPECT_EQ(bursting.set(nullptr), 0);
}

// Another thread has taken the queue and runs one of the handlers in it.
TEST_F(HandlersTest, RunInAForkChildWhateverOthersWereRunning) {
  std::atomic<int> calls{0};
  Gate gate;
  Bursting good("good", count, &calls), slow("slow", stay, &gate);
  good.burst();
  slow.burst();
  std::thread runner([] { tenure_checkpoint(); });
  gate.wait_for_entry();
  const Ending child = ending_of([&] {
    alarm(10);
    REQUIRE(tenure_checkpoint() == 1 && calls == 1, "what was taken: %d", int(calls));
    for (int round = 2; round <= 4; ++round) {
      good.burst();
      REQUIRE(tenure_checkpoint() == 1 && calls == round, "%d", int(calls));
    }
    gate.open = true;
    slow.burst();
    REQUIRE(tenure_checkpoint() == 1, "the slow one's own");
    const int error = slow.set(nullptr);  // Waits for nobody who is gone.
    REQUIRE(error == 0, "%d", error);
    slow.burst();
    REQUIRE(tenure_checkpoint() == 0, "it was taken away");
  });
  EXPECT_EQ(child.status, 0) << child.err;
  gate.open = true;
  runner.join();
  EXPECT_EQ(calls, 1);
}

// The child goes on inside the handler that forked.
TEST_F(HandlersTest, MayFork) {
  struct Forking {
    Bursting* self;
    int status = -1;
    pid_t child = -1;
  } forking{};
  std::atomic<int> calls{0};
  Bursting good("good", count, &calls);
  Bursting bad(
      "forks",
      [](tenure_tenant*, tenure_event, void* argument) {
        auto* f = static_cast<Forking*>(argument);
        f->child = fork();
        if (f->child == 0) {
          alarm(10);
          REQUIRE(f->self->set(nullptr) == 0, "only its own call is under way");
        }
      },
      &forking);
  forking.self = &bad;
  for (int others = 0; others < 2; ++others) {
    calls = 0;
    Gate gate;
    Bursting slow("slow", stay, &gate);
    std::thread runner;
    if (others == 1) {
      slow.burst();
      runner = std::thread([] { tenure_checkpoint(); });
      gate.wait_for_entry();
    }
    good.burst();
    bad.burst();
    const int handled = tenure_checkpoint();
    if (forking.child == 0) {
      REQUIRE(handled == 2 && calls == 1, "%d, %d", handled, int(calls));
      good.burst();
      REQUIRE(tenure_checkpoint() == 1 && calls == 2, "%d", int(calls));
      REQUIRE(bad.set(nullptr) == 0, "no call is under way");
      _exit(0);
    }
    EXPECT_EQ(handled, 2);
    EXPECT_EQ(calls, 1);
    int status = -1;
    ASSERT_EQ(waitpid(forking.child, &status, 0), forking.child);
    EXPECT_EQ(status, 0);
    gate.open = true;
    if (others == 1) runner.join();
  }
}

}  // namespace
}  // namespace blackbox
