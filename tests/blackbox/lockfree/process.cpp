#include <errno.h>
#include <malloc.h>
#include <memory>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/blackbox/lockfree/shared.h"
#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/parcel.h"

namespace blackbox {

namespace {

// All threads allocate into it and free from it, so objects of the victim's CPU end anywhere.
ParcelTable<1024> table;

void exchange(Random& random, size_t operations, size_t limit) {
  for (size_t i = 0; i < operations; ++i)
    table.replace(random, random.one_in(8) ? nullptr : make_parcel(random, limit));
}

void fork_and_work(Random& random) {
  pid_t child = fork();
  REQUIRE(child >= 0, "fork: %s", strerror(errno));
  if (child == 0) {
    // In this process the victim does not exist; what it was in the midst of stays that way.
    exchange(random, 1000, 500);
    exchange(random, 50, 100000);
    malloc_trim(0);
    exchange(random, 100, 500);
    _exit(0);
  }
  // The tracer is the one who judges whether this takes too long.
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child && status == 0, "the forked child: %#x",
          unsigned(status));
}

void work(uint32_t worker, Random& random) {
  switch (worker) {
  case 0:
    exchange(random, 4000, 500);
    break;
  case 1:
    exchange(random, 500, 100000);
    break;
  case 2:
    exchange(random, 20, 2 << 20);
    break;
  case 3:
    malloc_trim(0);
    exchange(random, 100, 2000);
    malloc_trim(0);
    break;
  default:
    fork_and_work(random);
  }
}

void run_worker(Shared& shared, uint32_t worker) {
  Random random(mix(worker));
  for (uint32_t done = 0;;) {
    uint32_t round = shared.round.load(std::memory_order_acquire);
    if (round == done) {
      if (shared.stop.load()) return;
      sleep_seconds(0.0001);
      continue;
    }
    work(worker, random);
    done = round;
    shared.finished[worker].store(done, std::memory_order_release);
  }
}

// Everything an allocation function can be asked for, in no order.
void run_victim(Shared& shared) {
  Random random(12345);
  shared.victim.store(gettid());
  while (!shared.stop.load(std::memory_order_relaxed)) {
    exchange(random, 50, 500);
    switch (random.below(64)) {
    case 0:
      malloc_trim(0);
      break;
    case 1:
      exchange(random, 1, 4 << 20);
      break;
    case 2: {
      void* object = malloc(random.size(1 << 20));
      object = realloc(object, 1 + random.size(4 << 20));
      free(object);
      break;
    }
    case 3: {
      void* objects[300];  // more than a CPU keeps
      size_t size = random.size(2000);
      for (void*& object : objects) object = malloc(size);
      for (void* object : objects) free(object);
      break;
    }
    case 4:
      free(memalign(size_t(64) << random.below(12), random.size(10000)));
      break;
    default:
      exchange(random, 3, 60000);
    }
    shared.victim_operations.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace

void run_process(Shared& shared) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::vector<std::thread> threads;
  threads.emplace_back([&] { run_victim(shared); });
  for (uint32_t worker = 0; worker < kWorkers; ++worker)
    threads.emplace_back([&, worker] { run_worker(shared, worker); });
  for (std::thread& thread : threads) thread.join();
  table.clear();
  require_valid_heap();
  malloc_trim(0);
  require_valid_heap();
  _exit(0);
}

}  // namespace blackbox
