// vfork, whose child runs in its parent's memory until it calls exec or _exit. More than the
// standards allow it, but programs do it (they build argument lists) and with the C library's
// malloc it works: the child allocates, frees, resizes, and calls vfork again, while the other
// threads of its parent go on.

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/blackbox/environment/filter.h"
#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/parcel.h"

#ifndef SYS_rseq
#define SYS_rseq 334
#endif

namespace blackbox {
namespace {

ParcelTable<512> table;

bool by_rseq() { return strcmp(tenure_mode(), "rseq") == 0; }

#if defined(__x86_64__)
constexpr unsigned kSignature = 0x53053053;
#else
constexpr unsigned kSignature = 0xd428bc00;
#endif

enum class Registered { kNo, kYes, kUnknown };

// Whether somebody has registered this task for restartable sequences: the kernel refuses a second area. Signals meanwhile do no harm.
Registered registered() {
  struct alignas(32) Area {
    unsigned words[8];
  };
  static Area areas[64];  // One for each of those that ask at once.
  static std::atomic<unsigned> turn = 0;
  Area& area = areas[turn.fetch_add(1) % 64];
  area = {};
  if (syscall(SYS_rseq, &area, sizeof area, 0, kSignature) == 0) {
    constexpr int kUnregister = 1;
    REQUIRE(syscall(SYS_rseq, &area, sizeof area, kUnregister, kSignature) == 0, "%s",
            strerror(errno));
    return Registered::kNo;
  }
  return errno == EINVAL ? Registered::kYes : Registered::kUnknown;
}

void churn(Random& random, int times, size_t limit) {
  for (int i = 0; i < times; ++i)
    table.replace(random, random.one_in(8) ? nullptr : make_parcel(random, limit));
}

void require_exit(pid_t child, int code) {
  int status = 0;
  pid_t done;
  do done = waitpid(child, &status, 0);
  while (done < 0 && errno == EINTR);
  REQUIRE(done == child, "waitpid: %s", strerror(errno));
  REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == code, "status %#x", unsigned(status));
}

void require_fast_again() {
  const int saved = errno;
  if (by_rseq()) REQUIRE(registered() != Registered::kNo, "not registered again");
  errno = saved;
}

void require_no_sequences() {
  if (by_rseq()) REQUIRE(registered() != Registered::kYes, "registered");
}

void allocate_and_exec(uint64_t seed) {
  pid_t child = vfork();
  REQUIRE(child >= 0, "vfork: %s", strerror(errno));
  if (child == 0) {
    require_no_sequences();
    Random own(seed);
    churn(own, 2000, 1000);
    execl("/bin/sh", "sh", "-c", "exit 9", nullptr);
    _exit(127);
  }
  require_fast_again();
  require_exit(child, 9);
}

void allocate_and_exit(uint64_t seed) {
  pid_t child = vfork();
  REQUIRE(child >= 0, "vfork: %s", strerror(errno));
  if (child == 0) {
    Random own(seed);
    churn(own, 2000, 100000);
    _exit(4);
  }
  require_fast_again();
  require_exit(child, 4);
}

void nest(uint64_t seed) {
  pid_t child = vfork();
  REQUIRE(child >= 0, "vfork: %s", strerror(errno));
  if (child == 0) {
    pid_t grandchild = vfork();
    REQUIRE(grandchild >= 0, "vfork in the child: %s", strerror(errno));
    if (grandchild == 0) {
      Random own(seed);
      churn(own, 500, 1000);
      _exit(5);
    }
    require_no_sequences();  // Only who ended the registration restores it.
    Random own(seed + 1);
    churn(own, 500, 1000);
    require_exit(grandchild, 5);
    _exit(6);
  }
  require_fast_again();
  require_exit(child, 6);
}

// A child that is killed leaves its parent as it was.
void kill_child() {
  pid_t child = vfork();
  REQUIRE(child >= 0, "vfork: %s", strerror(errno));
  if (child == 0) {
    free(malloc(100));
    kill(getpid(), SIGKILL);
    _exit(127);
  }
  require_fast_again();
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child && WIFSIGNALED(status), "status %#x",
          unsigned(status));
}

// The child's memory is its own if its registration could not be ended, and its parent's if there
// was none to end.
void run_refused() {
  if (!refuse_system_calls({SYS_rseq}, EPERM)) _exit(kSkipped);
  volatile int changed = 0;
  pid_t child = vfork();
  REQUIRE(child >= 0, "vfork: %s", strerror(errno));
  if (child == 0) {
    changed = 1;
    Random own(3);
    churn(own, 500, 1000);
    _exit(7);
  }
  require_exit(child, 7);
  REQUIRE(changed == !by_rseq(), "changed %d", changed);
  require_fast_again();
}

void run_failing() {
  // In a sandbox, fork does it where only the library would call rseq.
  std::vector<int> calls = {SYS_clone};
#ifdef SYS_vfork
  calls.push_back(SYS_vfork);
#endif
  if (!refuse_system_calls(calls, EAGAIN)) _exit(kSkipped);
  errno = 0;
  REQUIRE(vfork() == -1 && errno == EAGAIN, "errno %d", errno);
  require_fast_again();
  void* p = malloc(100);
  REQUIRE(p != nullptr && errno == EAGAIN, "errno %d", errno);
  free(p);
}

std::atomic<int> handled = 0;

void vfork_in_handler(int) {
  const int saved = errno;
  const int number = handled.fetch_add(1);
  pid_t child = vfork();
  REQUIRE(child >= 0, "vfork: %s", strerror(errno));
  if (child == 0) {
    Random own(mix(uint64_t(number)));
    churn(own, 100, 1000);
    _exit(8);
  }
  require_exit(child, 8);
  errno = saved;
}

// Signals arrive anywhere in malloc, free and vfork.
void run_interrupted() {
  struct sigaction action = {};
  action.sa_handler = vfork_in_handler;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  itimerval often = {{0, 2000}, {0, 2000}};
  setitimer(ITIMER_REAL, &often, nullptr);
  Random random(11);
  Deadline deadline(scaled(1));
  for (int i = 0; !deadline.passed() || handled.load() < 20; ++i) {
    if (i % 16 == 0) nest(random.next());
    churn(random, 500, 20000);
  }
  itimerval never = {};
  setitimer(ITIMER_REAL, &never, nullptr);
  require_fast_again();
}

void run_threads() {
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 3; ++seed)
    threads.emplace_back([&, seed] {
      Random random(mix(seed));
      while (!stop.load(std::memory_order_relaxed)) {
        churn(random, 2000, 20000);
        if (seed == 0) allocate_and_exit(random.next());
      }
    });
  Random random(9);
  Deadline deadline(scaled(1.5));
  int rounds = 0;
  for (; !deadline.passed() || rounds < 3; ++rounds) {
    allocate_and_exec(random.next());
    nest(random.next());
    allocate_and_exit(random.next());
    kill_child();
    churn(random, 1000, 1000);
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  printf("%d rounds\n", rounds);
}

void finish() {
  table.clear();
  require_valid_heap();
}

}  // namespace
}  // namespace blackbox

int main(int count, char** arguments) {
  using namespace blackbox;
  const std::string part = count > 1 ? arguments[1] : "";
  if (part == "threads") run_threads();
  if (part == "interrupted") run_interrupted();
  if (part == "refused") run_refused();
  if (part == "failing") run_failing();
  if (part.empty()) {
    for (const char* each : {"threads", "interrupted", "refused", "failing"}) {
      const ChildResult result = run_self({each});
      REQUIRE(result.exited(0) || result.exited(kSkipped), "%s: %s", each,
              result.describe().c_str());
    }
  }
  finish();
}
