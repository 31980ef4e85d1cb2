// Lock-freedom, shown: one thread of a process is stopped at some instruction inside malloc, free,
// realloc or malloc_trim and stays there; all its other threads, malloc_trim among them, and a child
// forked at that moment must finish a fixed amount of work. Then the thread goes on, to be stopped
// elsewhere, some hundred times over.
//
// Stops come about in two ways. The thread is interrupted at a random moment and single-stepped for a
// random number of steps (never through a restartable sequence: each step aborts it); or it runs into
// hardware breakpoints at random instructions of the library, which finds the rare paths as well.
//
// The watchdog is no measurement: it fires where there is no progress at all. argv[1]: objdump or "".
// TENURE_TEST_SCALE lengthens the run; TENURE_TEST_SEED repeats its choices.

#include <errno.h>
#include <new>
#include <set>
#include <signal.h>
#include <stdlib.h>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/blackbox/lockfree/shared.h"
#include "tests/blackbox/lockfree/text.h"
#include "tests/blackbox/lockfree/tracee.h"
#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/random.h"

#if defined(__x86_64__)

namespace blackbox {
namespace {

constexpr double kSeconds = 18;
constexpr double kWatchdogSeconds = 90;
constexpr size_t kFewestStops = 30;

class Harness {
public:
  Harness(const Text& text, Shared& shared, pid_t process, uint64_t seed)
      : text_(text), shared_(shared), process_(process), random_(seed),
        victim_(shared.victim.load()) {}

  // False where ptrace is not permitted.
  bool run() {
    if (!victim_.attach()) return false;
    for (Deadline deadline(scaled(kSeconds)); !deadline.passed() || stops_ < kFewestStops;) {
      bring_to_a_stop();
      uint64_t where = victim_.instruction();
      if (text_.contains(where)) {
        ++stops_;
        places_.insert(where);
      }
      let_others_finish(where);
      require_progress_of_victim();
    }
    victim_.interrupt();
    victim_.detach();
    return true;
  }

  void report() const {
    printf("%zu stops inside the library at %zu different instructions (%zu by breakpoint), "
           "%zu outside; %u rounds\n",
           stops_, places_.size(), met_, shared_.round.load() - stops_, shared_.round.load());
    REQUIRE(stops_ >= kFewestStops, "only %zu stops", stops_);
  }

private:
  void bring_to_a_stop() {
    sleep_seconds(double(random_.below(1000)) * 1e-6);
    victim_.interrupt();
    if (!text_.instructions().empty() && random_.below(4) != 0) {
      uint64_t addresses[Tracee::kBreakpoints];
      for (uint64_t& address : addresses) address = pick_unseen();
      if (victim_.run_to(addresses, 0.02)) {
        ++met_;
        step_inside(random_.one_in(2) ? 0 : random_.below(20));
        return;
      }
    }
    for (int i = 0; i < 2000 && !text_.contains(victim_.instruction()); ++i) victim_.step();
    step_inside(random_.below(40));
  }

  // An instruction where no stop was yet, if a few tries find one.
  uint64_t pick_unseen() {
    uint64_t address = 0;
    for (int i = 0; i < 8; ++i) {
      address = text_.instructions()[random_.below(text_.instructions().size())];
      if (places_.count(address) == 0) break;
    }
    return address;
  }

  void step_inside(uint64_t steps) {
    for (; steps > 0; --steps) {
      victim_.step();
      // Left it: go on until it is back, but not forever, it may be writing a large object.
      for (int i = 0; i < 200 && !text_.contains(victim_.instruction()); ++i) victim_.step();
    }
  }

  void let_others_finish(uint64_t where) {
    uint32_t round = shared_.round.fetch_add(1) + 1;
    Deadline deadline(kWatchdogSeconds);
    for (uint32_t worker = 0; worker < kWorkers;) {
      if (shared_.finished[worker].load(std::memory_order_acquire) == round) {
        ++worker;
        continue;
      }
      int status = 0;
      REQUIRE(waitpid(process_, &status, WNOHANG) == 0,
              "the process ended with status %#x while the victim stood at %s", unsigned(status),
              text_.describe(where).c_str());
      if (deadline.passed()) give_up(worker, round, where);
      sleep_seconds(0.0002);
    }
  }

  [[noreturn]] void give_up(uint32_t worker, uint32_t round, uint64_t where) {
    for (uint32_t other = worker; other < kWorkers; ++other)
      if (shared_.finished[other].load() != round)
        fprintf(stderr, "not finished: %s\n", kWorkerNames[other]);
    if (getenv("TENURE_TEST_KEEP") != nullptr) {  // to look at it with a debugger
      fprintf(stderr, "process %d, victim %d\n", int(process_), int(shared_.victim.load()));
      pause();
    }
    kill(process_, SIGKILL);
    fail_at(__FILE__, __LINE__, "the others go on", "round %u: %s waits for the victim at %s",
            round, kWorkerNames[worker], text_.describe(where).c_str());
  }

  // What the others did meanwhile must not keep the victim from going on either.
  void require_progress_of_victim() {
    uint64_t before = shared_.victim_operations.load();
    victim_.resume();
    for (Deadline deadline(kWatchdogSeconds); shared_.victim_operations.load() == before;) {
      int status = 0;
      REQUIRE(waitpid(shared_.victim.load(), &status, __WALL | WNOHANG) == 0,
              "the victim stopped by itself: %#x", unsigned(status));
      REQUIRE(!deadline.passed(), "the victim does not go on");
      sleep_seconds(0.0001);
    }
  }

  const Text& text_;
  Shared& shared_;
  pid_t process_;
  Random random_;
  Tracee victim_;
  std::set<uint64_t> places_;
  size_t stops_ = 0;
  size_t met_ = 0;
};

int run(const char* objdump) {
  const char* given = getenv("TENURE_TEST_SEED");
  uint64_t seed = given != nullptr ? strtoull(given, nullptr, 0) : mix(uint64_t(getpid()));
  dprintf(STDOUT_FILENO, "TENURE_TEST_SEED=%#lx\n", seed);

  Text text(objdump);
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED, "mmap: %s", strerror(errno));
  auto& shared = *new (memory) Shared;
  pid_t process = fork();
  REQUIRE(process >= 0, "fork: %s", strerror(errno));
  if (process == 0) run_process(shared);
  for (Deadline deadline(kWatchdogSeconds); shared.victim.load() == 0;) {
    REQUIRE(!deadline.passed(), "the victim does not start");
    sleep_seconds(0.001);
  }

  Harness harness(text, shared, process, seed);
  if (!harness.run()) {
    kill(process, SIGKILL);
    return kSkipped;
  }
  shared.stop.store(true);
  int status = 0;
  REQUIRE(waitpid(process, &status, 0) == process, "waitpid: %s", strerror(errno));
  REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the process ended with %#x",
          unsigned(status));
  harness.report();
  return 0;
}

}  // namespace
}  // namespace blackbox

int main(int count, char** arguments) { return blackbox::run(count > 1 ? arguments[1] : ""); }

#else

int main() {
  return blackbox::kSkipped;
}  // debug registers and registers are read as x86-64 has them

#endif
