#include <memory>

#include "tests/blackbox/stress/scenario.h"
#include "tests/blackbox/support/parcel.h"

namespace blackbox {

// Many more threads than CPUs, so that threads are preempted inside malloc and free while others go on
// on the same CPU. All share one table; who frees is chance.
void run_oversubscribed(double seconds) {
  auto table = std::make_unique<ParcelTable<4096>>();
  {
    Crew crew(seconds, 2);
    for (uint64_t seed = 0; seed < 14; ++seed)
      crew.add([&table, seed](const StopFlag& stop) {
        Random random(mix(seed));
        // Some threads work with small objects only, so that their rate is high.
        size_t limit = seed % 3 == 0 ? 400000 : seed % 3 == 1 ? 3000 : 100;
        while (!stopped(stop))
          for (int i = 0; i < 64; ++i)
            table->replace(random, random.one_in(8) ? nullptr : make_parcel(random, limit));
      });
  }
  table->clear();
}

}  // namespace blackbox
