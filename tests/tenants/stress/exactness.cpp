// Threads x tenants x all operations x limits x tenants that come and go: usage never passes a
// limit, and is zero in the end.

#include <malloc.h>
#include <sched.h>

#include "tests/blackbox/support/clock.h"
#include "tests/tenants/stress/forest.h"
#include "tests/tenants/stress/scenario.h"
#include "tests/tenants/stress/threads.h"

namespace blackbox {

namespace {

void populate(Threads& threads, Forest& forest) {
  for (unsigned i = 0; i < Forest::workers(); ++i)
    threads.add([&forest](Random& random) { forest.work(random); });
  for (unsigned i = 0; i < 2; ++i)
    threads.add([&forest](Random& random) { forest.replace_leaf(random); });
  threads.add([&forest](Random& random) {
    forest.change_limits(random, 0);
    forest.change_limits(random, 1);
    sched_yield();
  });
  threads.add([&forest](Random&) { forest.watch(); });
  threads.add([](Random& random) {
    switch (random.below(4)) {
    case 0:
      malloc_trim(0);
      break;
    case 1:
      tenure_reap();
      break;
    case 2:
      tenure_reclaim(tenure_root(), random.below(10 * kMiB));
      break;
    default:
      tenure_checkpoint();
    }
    sleep_seconds(0.002);
  });
}

void churn(const char* name, double seconds) {
  Forest forest(name);
  Threads threads;
  populate(threads, forest);
  sleep_seconds(seconds);
  threads.stop();
}

}  // namespace

void run_exactness(double seconds) { churn("top", seconds); }

void run_exactness_in_child(double seconds) {
  churn("top", seconds / 8);
  // A child of a process at rest has everything to itself: its sums are as exact, and its heap is
  // sound.
  Tenant durable("durable", tenure_root(), TENURE_DURABLE);
  void* block = tenure_malloc(durable, 100000);
  in_child([&] {
    churn("top", seconds / 3);
    free(block);
    REQUIRE(durable.settled() == 0, "%zu bytes are charged", durable.usage());
    durable.offline();
    durable.close();
    require_no_tenants();
  });
  // One of a busy process inherits what threads that it does not have were doing. What it does
  // itself, in a tree of its own, is exact.
  {
    Forest forest("busy");
    Threads threads;
    populate(threads, forest);
    for (int i = 0; i < 3; ++i) in_child([&] { churn("top", seconds / 8); });
    threads.stop();
  }
  free(block);
}

}  // namespace blackbox
