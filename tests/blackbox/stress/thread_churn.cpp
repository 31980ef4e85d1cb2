#include <memory>
#include <pthread.h>

#include "tests/blackbox/stress/scenario.h"
#include "tests/blackbox/support/parcel.h"

namespace blackbox {

namespace {

struct Visitor {
  ParcelTable<512>* table;
  uint64_t seed;
};

// Leaves some objects to its successors and frees some of its predecessors.
void* visit(void* argument) {
  std::unique_ptr<Visitor> visitor(static_cast<Visitor*>(argument));
  Random random(visitor->seed);
  for (uint64_t i = random.below(60); i > 0; --i)
    visitor->table->replace(random, make_parcel(random, 20000));
  return nullptr;
}

void spawn_and_join(ParcelTable<512>& table, Random& random) {
  pthread_t threads[8];
  size_t count = 1 + random.below(8);
  for (size_t i = 0; i < count; ++i) {
    int error = pthread_create(&threads[i], nullptr, visit, new Visitor{&table, random.next()});
    REQUIRE(error == 0, "pthread_create: %s", strerror(error));
  }
  for (size_t i = 0; i < count; ++i) pthread_join(threads[i], nullptr);
}

}  // namespace

// Threads that live for a few allocations each, started by several threads at once.
void run_thread_churn(double seconds) {
  auto table = std::make_unique<ParcelTable<512>>();
  {
    Crew crew(seconds);
    for (uint64_t seed = 0; seed < 3; ++seed)
      crew.add([&table, seed](const StopFlag& stop) {
        Random random(mix(seed));
        while (!stopped(stop)) spawn_and_join(*table, random);
      });
  }
  table->clear();
}

}  // namespace blackbox
