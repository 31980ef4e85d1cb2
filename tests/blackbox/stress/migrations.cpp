#include <atomic>
#include <memory>
#include <sched.h>
#include <unistd.h>

#include "tests/blackbox/stress/scenario.h"
#include "tests/blackbox/support/parcel.h"

namespace blackbox {

namespace {

std::vector<int> allowed_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "%s", strerror(errno));
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  return cpus;
}

void move_to(pid_t thread, int cpu) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  sched_setaffinity(thread, sizeof only, &only);  // the thread may have ended: not an error
}

}  // namespace

// Threads move between CPUs by themselves and, at any instruction, at the hands of another thread.
void run_migrations(double seconds) {
  constexpr size_t kThreads = 6;
  const std::vector<int> cpus = allowed_cpus();
  auto table = std::make_unique<ParcelTable<1024>>();
  std::atomic<pid_t> ids[kThreads] = {};
  {
    Crew crew(seconds);
    for (size_t index = 0; index < kThreads; ++index)
      crew.add([&, index](const StopFlag& stop) {
        Random random(mix(index));
        ids[index].store(gettid());
        size_t limit = index % 2 == 0 ? 200 : 50000;
        for (size_t round = 0; !stopped(stop); ++round) {
          for (int i = 0; i < 100; ++i)
            table->replace(random, random.one_in(8) ? nullptr : make_parcel(random, limit));
          if (index < 2) move_to(0, cpus[round % cpus.size()]);
        }
      });
    crew.add([&](const StopFlag& stop) {
      Random random(99);
      while (!stopped(stop)) {
        move_to(ids[2 + random.below(kThreads - 2)].load(), cpus[random.below(cpus.size())]);
        if (random.one_in(16)) sleep_seconds(0.0001);
      }
    });
  }
  table->clear();
}

}  // namespace blackbox
