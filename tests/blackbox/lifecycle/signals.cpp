// malloc and free in signal handlers, at high rates, of signals that interrupt malloc and free and each
// other: a timer at the main thread, storms of pthread_kill at all threads.

#include <errno.h>
#include <malloc.h>
#include <memory>
#include <pthread.h>
#include <signal.h>
#include <thread>
#include <time.h>
#include <vector>

#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/parcel.h"

namespace blackbox {
namespace {

ParcelTable<512> table;
std::atomic<uint64_t> handled = 0;
thread_local constinit Random handler_random(1);

void handle(int) {
  int saved = errno;
  uint64_t number = handled.fetch_add(1, std::memory_order_relaxed);
  handler_random = Random(handler_random.next() ^ number);
  Random random = handler_random;  // its own: a handler may interrupt this one
  for (int i = 0; i < 3; ++i)
    table.replace(random, random.one_in(8) ? nullptr : make_parcel(random, 1500));
  if (random.one_in(64)) free_parcel(make_parcel(random, 2 << 20));
  if (random.one_in(2048)) malloc_trim(0);
  errno = saved;
}

void install() {
  for (int signal : {SIGALRM, SIGUSR1, SIGUSR2}) {
    struct sigaction action = {};
    action.sa_handler = handle;  // the others stay unblocked: handlers nest up to three deep
    action.sa_flags = SA_RESTART;
    REQUIRE(sigaction(signal, &action, nullptr) == 0, "%s", strerror(errno));
  }
}

timer_t start_timer(long nanoseconds) {
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGALRM;
  event._sigev_un._tid = gettid();
  timer_t timer;
  REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "%s", strerror(errno));
  itimerspec period = {{0, nanoseconds}, {0, nanoseconds}};
  REQUIRE(timer_settime(timer, 0, &period, nullptr) == 0, "%s", strerror(errno));
  return timer;
}

void hammer(uint64_t seed, const std::atomic<bool>& stop) {
  Random random(seed);
  while (!stop.load(std::memory_order_relaxed))
    table.replace(random, random.one_in(8) ? nullptr : make_parcel(random, 4000));
}

void run() {
  install();
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (uint64_t seed = 1; seed < 3; ++seed) threads.emplace_back([&, seed] { hammer(seed, stop); });
  std::vector<pthread_t> targets = {pthread_self()};
  for (std::thread& thread : threads) targets.push_back(thread.native_handle());
  std::thread storm([&] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    Random random(9);
    while (!stop.load(std::memory_order_relaxed)) {
      pthread_kill(targets[random.below(targets.size())], random.one_in(2) ? SIGUSR1 : SIGUSR2);
      for (uint64_t spins = random.below(3000); spins > 0; --spins) asm volatile("");
    }
  });

  timer_t timer = start_timer(50000);
  Random random(77);
  Deadline deadline(scaled(3.5));
  while (!deadline.passed())
    for (int i = 0; i < 200; ++i)
      table.replace(random, random.one_in(8) ? nullptr : make_parcel(random, 60000));
  timer_delete(timer);
  stop.store(true);
  storm.join();
  for (std::thread& thread : threads) thread.join();
  table.clear();
  REQUIRE(handled.load() > 1000, "only %lu signals", handled.load());
  printf("%lu signals\n", handled.load());
}

}  // namespace
}  // namespace blackbox

int main() {
  blackbox::run();
  blackbox::require_valid_heap();
}
