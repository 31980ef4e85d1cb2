// Memory goes back to the system: how much stays after a burst, whatever the program does then, and who sees to it. Each
// scenario in a process of its own, with the default options.
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/memory.h"
#include "tests/tenants/helper/tasks.h"

namespace blackbox {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kBurst = 160 * kMiB;
// What may stay twice the decay time after a burst, beside what is in use; of a program that takes some MiB itself.
constexpr size_t kMayStay = 12 * kMiB;
// What may stay in a process of one thread that does nothing at all: a quarter of the peak.
constexpr size_t kIdleMayStay = kBurst / 4;
constexpr double kLongest = 60;

void burst(size_t size) {
  const size_t count = kBurst / size;
  auto** const objects = static_cast<void**>(malloc(count * sizeof(void*)));
  for (size_t i = 0; i < count; ++i) objects[i] = memset(malloc(size), 1, size);
  REQUIRE(anonymous_bytes() > kBurst, "%zu bytes", anonymous_bytes());
  for (size_t i = 0; i < count; ++i) free(objects[i]);
  free(objects);
}

// Waits for what takes two seconds on an idle machine.
void require_shrinks(void (*meanwhile)(), const char* how) {
  for (const Deadline end(scaled(kLongest)); anonymous_bytes() > kMayStay;) {
    REQUIRE(!end.passed(), "%s: %zu KiB stay", how, anonymous_bytes() / 1024);
    meanwhile();
  }
}

void sleep_a_while() { sleep_seconds(0.1); }
void tick() {
  sleep_a_while();
  free(malloc(1));
}
void work_out_of_the_front() {
  for (int i = 0; i < 1000 * 1000; ++i) free(malloc(48));
}

constexpr size_t kSizes[] = {100, 2000, 20000, 300000};

void run_ticking() {
  for (const size_t size : kSizes) {
    burst(size);
    require_shrinks(tick, "ticking");
  }
  REQUIRE(count_tasks().all == 1, "%zu threads", count_tasks().all);
}

void run_busy() {
  for (const size_t size : kSizes) {
    burst(size);
    require_shrinks(work_out_of_the_front, "busy");
  }
  REQUIRE(count_tasks().all == 1, "%zu threads", count_tasks().all);
}

// Frees have paid before the process falls idle.
void run_idle() {
  for (const size_t size : kSizes) {
    burst(size);
    REQUIRE(anonymous_bytes() < kIdleMayStay, "%zu: %zu KiB stay", size, anonymous_bytes() / 1024);
  }
}

class Sleeper {
public:
  Sleeper()
      : thread_([this] {
          while (!end_) sleep_seconds(0.01);
        }) {}
  ~Sleeper() {
    end_ = true;
    thread_.join();
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

private:
  std::atomic<bool> end_{false};
  std::thread thread_;
};

void run_threads() {
  const Sleeper sleeper;
  for (const size_t size : kSizes) {
    burst(size);
    require_shrinks(sleep_a_while, "idle");
    burst(size);
    require_shrinks(work_out_of_the_front, "busy");
  }
  REQUIRE(count_tasks().helpers == 1, "%zu helpers", count_tasks().helpers);
}

void run_shrunk() {
  char* object = static_cast<char*>(malloc(kBurst));
  memset(object, 1, kBurst);
  object = static_cast<char*>(realloc(object, kMiB));
  REQUIRE(anonymous_bytes() < kIdleMayStay, "%zu KiB stay", anonymous_bytes() / 1024);
  require_shrinks(tick, "realloc");
  REQUIRE(object[0] == 1 && object[kMiB - 1] == 1, "the object has changed");
}

// Where the kernel lets go of locked pages at all.
bool can_return_locked() {
  const size_t bytes = 4 * kMiB;
  void* const p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED || mlock(p, bytes) != 0) return false;
  const bool can = madvise(p, bytes, 24 /* MADV_DONTNEED_LOCKED */) == 0;
  munmap(p, bytes);
  return can;
}
void run_locked() {
  if (!can_return_locked()) return;
  void* const object = malloc(kBurst);
  memset(object, 1, kBurst);
  REQUIRE(mlock(object, kBurst) == 0, "mlock");
  free(object);
  require_shrinks(tick, "locked");
}

void wait_for_tasks(size_t all, const char* what) {
  for (const Deadline end(scaled(kLongest)); count_tasks().all != all;) {
    REQUIRE(!end.passed(), "%s: %zu threads", what, count_tasks().all);
    sleep_seconds(0.002);
  }
}

// As long as there are others.
void run_lifetime() {
  REQUIRE(count_tasks().all == 1, "%zu threads", count_tasks().all);
  for (int i = 0; i < 3; ++i) {
    {
      const Sleeper one, two;
      wait_for_tasks(4, "two and a helper");
      while (count_tasks().helpers == 0) sleep_seconds(0.001);  // Before it has its name.
      const Tasks tasks = count_tasks();
      for (int signal : {SIGTERM, SIGUSR1, SIGPROF, SIGCHLD, SIGRTMIN})
        REQUIRE((tasks.blocked >> (signal - 1) & 1) != 0, "signal %d is not blocked", signal);
    }
    wait_for_tasks(1, "without others");
  }
}

// At the moment at which the last of the others has been joined. Repeated, as the helper may be anywhere. Sandboxes ask for no more
// privileges first; then the library asks the kernel for nothing unusual.
void run_namespaces() {
  if (const pid_t child = fork(); child == 0) {
    _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
  } else {
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) return;  // Not to be had here.
  }
  for (int i = 0; i < 30; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      { const Sleeper sleeper; }
      // The kernel takes a moment to forget a thread that has been joined, whoever's malloc it is.
      wait_for_tasks(1 + count_tasks().helpers, "joined");
      if (i % 2 == 1) REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "prctl");
      REQUIRE(unshare(CLONE_NEWUSER) == 0, "unshare: %s", strerror(errno));
      REQUIRE(count_tasks().all == 1, "%zu threads", count_tasks().all);
      const Sleeper again;
      wait_for_tasks(3, "a helper again");
      _exit(0);
    }
    require_child_success(child, scaled(kLongest), "unshare");
  }
}

// A child of fork has none until it makes a thread; also where the thread that forked was not the first.
void run_fork() {
  const auto fork_here = [] {
    const pid_t child = fork();
    if (child == 0) {
      REQUIRE(count_tasks().all == 1, "%zu threads", count_tasks().all);
      burst(2000);
      require_shrinks(tick, "in the child");
      REQUIRE(count_tasks().all == 1, "%zu threads", count_tasks().all);
      {
        const Sleeper sleeper;
        wait_for_tasks(3, "in the child");
      }
      wait_for_tasks(1, "in the child, without others");
      _exit(0);
    }
    require_child_success(child, scaled(kLongest), "fork");
  };
  const Sleeper sleeper;
  fork_here();
  std::thread(fork_here).join();
}

// The process ends when its last own thread does, though the first has left before.
[[noreturn]] void run_left() {
  std::thread([] { sleep_seconds(0.1); }).detach();
  pthread_exit(nullptr);
}

struct Scenario {
  const char* name;
  void (*run)();
};
constexpr Scenario scenarios[] = {
    {"ticking", run_ticking}, {"busy", run_busy},         {"idle", run_idle},
    {"threads", run_threads}, {"shrunk", run_shrunk},     {"locked", run_locked},
    {"fork", run_fork},       {"lifetime", run_lifetime}, {"namespaces", run_namespaces},
    {"left", run_left},
};

}  // namespace
}  // namespace blackbox

int main(int, char** arguments) {
  using namespace blackbox;
  for (const Scenario& scenario : scenarios) {
    if (arguments[1] != nullptr && strcmp(arguments[1], scenario.name) == 0) {
      scenario.run();
      return 0;
    }
  }
  REQUIRE(arguments[1] == nullptr, "no scenario %s", arguments[1]);
  for (const Scenario& scenario : scenarios) require_run(scenario.name);
}
