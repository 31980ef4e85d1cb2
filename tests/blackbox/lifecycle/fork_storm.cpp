// fork() at random moments in a program whose other threads are inside malloc and free. Each child works
// with the heap it inherited: it frees objects of the parent's threads, allocates all sizes, forks again
// now and then, and ends by _exit or by exit. A child that hangs or finds its heap broken is a failure.

#include <errno.h>
#include <malloc.h>
#include <memory>
#include <sys/wait.h>
#include <thread>
#include <vector>

#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/parcel.h"

namespace blackbox {
namespace {

constexpr int kRounds = 2000;
constexpr double kSeconds = 5;
constexpr double kHangSeconds = 40;

using Table = ParcelTable<2048>;

void use_all_sizes(Random& random) {
  void* objects[64];
  size_t count = 0;
  for (size_t size = 1; size <= (4 << 20) && count < 64; size += size / 2 + 1)
    objects[count++] = seal_parcel(malloc(size + sizeof(Parcel)), size + sizeof(Parcel), size);
  while (count > 0) free_parcel(static_cast<Parcel*>(objects[--count]));
  for (int i = 0; i < 200; ++i) free_parcel(make_parcel(random, 3000));
}

// The parent's other threads do not exist here; what they had in hand is lost, what they had put in the
// table is ours.
[[noreturn]] void live_as_child(Table& table, Random& random, int depth) {
  use_all_sizes(random);
  for (int i = 0; i < 200; ++i) table.replace(random, make_parcel(random, 5000));
  if (random.one_in(16)) malloc_trim(0);
  if (random.one_in(8)) std::thread([&random] { use_all_sizes(random); }).join();
  if (depth < 2 && random.one_in(8)) {
    pid_t child = fork();
    REQUIRE(child >= 0, "fork: %s", strerror(errno));
    if (child == 0) live_as_child(table, random, depth + 1);
    require_child_success(child, kHangSeconds / 2, "nested fork");
  }
  if (random.one_in(16)) table.clear();
  if (random.one_in(16)) exit(0);  // runs what the library does at exit
  _exit(0);
}

void fork_until(const Deadline& deadline, std::atomic<int>& rounds, Table& table, uint64_t seed) {
  Random random(seed);
  while (!deadline.passed() && rounds.fetch_add(1) < kRounds) {
    free_parcel(make_parcel(random, 100000));
    pid_t child = fork();
    REQUIRE(child >= 0, "fork: %s", strerror(errno));
    if (child == 0) live_as_child(table, random, 0);
    require_child_success(child, kHangSeconds, "fork");
  }
}

void run() {
  auto table = std::make_unique<Table>();
  std::atomic<bool> stop = false;
  std::atomic<int> rounds = 0;
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 4; ++seed)
    threads.emplace_back([&, seed] {
      Random random(mix(seed));
      size_t limit = seed == 0 ? 300000 : seed == 1 ? 5000 : 200;
      while (!stop.load(std::memory_order_relaxed))
        table->replace(random, random.one_in(16) ? nullptr : make_parcel(random, limit));
    });
  threads.emplace_back([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      malloc_trim(0);
      sleep_seconds(0.002);
    }
  });
  Deadline deadline(scaled(kSeconds));
  std::thread second([&] { fork_until(deadline, rounds, *table, 101); });
  fork_until(deadline, rounds, *table, 100);
  second.join();
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  table->clear();
  REQUIRE(rounds.load() >= 20, "only %d forks", rounds.load());
  printf("%d forks\n", rounds.load() < kRounds ? rounds.load() : kRounds);
}

}  // namespace
}  // namespace blackbox

int main() {
  blackbox::run();
  blackbox::require_valid_heap();
}
