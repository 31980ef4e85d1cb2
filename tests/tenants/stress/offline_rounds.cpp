// Tenants are taken offline while other threads enter them, allocate in them and free what is
// theirs.

#include <sched.h>
#include <thread>

#include "tests/blackbox/support/clock.h"
#include "tests/tenants/stress/forest.h"
#include "tests/tenants/stress/scenario.h"

namespace blackbox {

namespace {

struct Shared {
  TenantSlot slot;
  ParcelTable<256> parcels;
  CacheTable objects{"rounds", 120};
  std::atomic<uint64_t> steps{0};
  std::atomic<bool> stop{false};
};

void work(Shared& shared, uint64_t seed) {
  Random random(mix(seed));
  while (!shared.stop.load(std::memory_order_relaxed)) {
    const Borrowed tenant(shared.slot);
    const Inside inside(tenant);
    for (int i = 0; i < 8; ++i) {
      shared.parcels.replace(random, make_parcel(random, random.one_in(20) ? 300000 : 500));
      shared.objects.replace(random, tenant);
      void* block = tenure_malloc(tenant, 100);
      REQUIRE(block != nullptr, "no memory");
      block = tenure_transfer(
          random.one_in(2) ? tenure_root() : static_cast<tenure_tenant*>(tenant), block);
      REQUIRE(block != nullptr, "no memory");
      free(block);
    }
    shared.steps.fetch_add(1, std::memory_order_relaxed);
    // The rounds are to go on, with more threads than CPUs.
    if (random.one_in(3)) sched_yield();
  }
}

}  // namespace

void run_offline_rounds(int least, int most, double seconds) {
  Tenant parent("parent");
  const Deadline end(seconds);
  int round = 0;
  {
    Shared shared;
    std::vector<std::thread> threads;
    for (uint64_t seed = 0; seed < 5; ++seed)
      threads.emplace_back([&shared, seed] { work(shared, seed); });
    Random random(7);
    for (; round < most && (round < least || !end.passed()); ++round) {
      Tenant next("round" + std::to_string(round), parent);
      Tenant below("below", next);
      const bool nested = random.one_in(3);
      Tenant old = shared.slot.put(Tenant::adopt(tenure_tenant_ref(nested ? below : next)));
      old.close();
      if (!nested) below.offline();
      // Somebody has been inside, at whatever it is doing now.
      const uint64_t target = shared.steps.load(std::memory_order_relaxed) + 1 + random.below(60);
      while (shared.steps.load(std::memory_order_relaxed) < target) sched_yield();
      next.offline(nested ? TENURE_RECURSIVE : 0);
      if (random.one_in(16)) tenure_reap();
    }
    shared.stop = true;
    for (std::thread& thread : threads) thread.join();
    shared.slot.put({}).close();
    shared.parcels.clear();
  }
  dprintf(STDOUT_FILENO, "%d rounds\n", round);
  REQUIRE(tenure_reap() == 0, "departed tenants remain");
  const size_t left = parent.settled();
  REQUIRE(left == 0, "%zu bytes are charged with nothing allocated", left);
}

}  // namespace blackbox
