// Fork while other threads are anywhere inside what they do with tenants: the child goes on, whatever had been done of it.
// Memory that these threads had in their hands may be lost to it, nothing else.

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include <string>

#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/every_instruction.h"
#include "tests/tenants/stress/threads.h"
#include "tests/tenants/support/tenant.h"

namespace blackbox {
namespace {

// What only says that something is lost is not to fill the log.
int validate_quietly() {
  const int terminal = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY);
  dup2(nowhere, STDERR_FILENO);
  const int result = tenure_validate();
  dup2(terminal, STDERR_FILENO);
  close(terminal);
  close(nowhere);
  return result;
}

void* allocate_in(tenure_tenant* tenant, size_t size) {
  const tenure_scope outer = tenure_enter(tenant);
  void* const object = malloc(size);
  tenure_leave(outer);
  REQUIRE(object != nullptr, "no memory");
  return object;
}

// A tenant that comes, has objects of each kind, goes before some of them, and comes under an id that others have had.
void live_and_die(const char* name, unsigned flags) {
  tenure_tenant* tenant = nullptr;
  if (tenure_tenant_create(tenure_root(), name, flags, &tenant) != 0) return;
  void* const small = allocate_in(tenant, 64);
  free(allocate_in(tenant, 3000));
  void* const large = allocate_in(tenant, 100000);
  tenure_tenant_offline(tenant, 0);
  free(small);
  tenure_tenant_close(tenant);
  free(large);
}

void live_as_child() {
  alarm(60);
  for (int i = 0; i < 4; ++i) {
    const std::string name = "of the child " + std::to_string(i);
    live_and_die(name.c_str(), i % 2 == 0 ? TENURE_ISOLATED : 0);
  }
  tenure_reap();
  const int result = validate_quietly();
  if (result != 0 && result != -EOWNERDEAD)
    REQUIRE(tenure_validate() == 0, "the child's heap is not whole");
}

// With tenants that hold something when they go, and with empty ones.
void run_churn() {
  Threads threads;
  for (int t = 0; t < 3; ++t) {
    threads.add([name = "churned " + std::to_string(t)](Random& random) {
      if (random.below(2) == 0)
        return live_and_die(name.c_str(), random.below(2) ? TENURE_ISOLATED : 0);
      tenure_tenant* tenant = nullptr;
      if (tenure_tenant_create(tenure_root(), name.c_str(), 0, &tenant) != 0) return;
      tenure_tenant_offline(tenant, 0);
      tenure_tenant_close(tenant);
      if (random.below(16) == 0) tenure_reap();
    });
  }
  for (const Deadline end(scaled(3)); !end.passed();) in_child(live_as_child);
  threads.stop();
}

#if defined(__x86_64__)
using tenure::EveryInstruction;

// At some 300 places, spread over all of the function.
template <typename Body>
void fork_all_over(Body body) {
  body();  // What is made once has been made.
  const uint64_t all = EveryInstruction::run(UINT64_MAX, 1, body, [](uint64_t) { return false; });
  const uint64_t places = static_cast<uint64_t>(scaled(300));
  // What comes once in a second (the decay) may make one run much longer.
  EveryInstruction::run(1, all / places + 1, body, [all](uint64_t number) {
    const pid_t child = fork();
    if (child == 0) {
      live_as_child();
      _exit(0);
    }
    require_child_success(child, scaled(60), ("instruction " + std::to_string(number)).c_str());
    return number < 2 * all;
  });
}

// An allocation in a tenant; after its instruction `number`, the tenant goes, and then a fork takes the thread away. Returns how many
// instructions there were.
uint64_t fork_after_offline(uint64_t number, unsigned flags) {
  tenure_tenant* tenant = nullptr;
  REQUIRE(tenure_tenant_create(tenure_root(), "left", flags, &tenant) == 0, "no tenant");
  void* object = nullptr;
  const uint64_t all = EveryInstruction::run(
      number, 1, [&] { object = allocate_in(tenant, 64); },
      [tenant](uint64_t) {
        REQUIRE(tenure_tenant_offline(tenant, 0) == 0, "it does not go");
        in_child(live_as_child);
        return false;
      });
  tenure_tenant_offline(tenant, 0);
  free(object);
  tenure_tenant_close(tenant);
  return all;
}

void fork_after_offline_all_over(unsigned flags) {
  fork_after_offline(UINT64_MAX, flags);
  const uint64_t all = fork_after_offline(UINT64_MAX, flags);
  const uint64_t places = static_cast<uint64_t>(scaled(100));
  for (uint64_t number = 1; number <= all; number += all / places + 1)
    fork_after_offline(number, flags);
}

void run_stepped() {
  fork_all_over([] { live_and_die("small", 0); });
  fork_all_over([] { live_and_die("isolated", TENURE_ISOLATED); });
  fork_all_over([] { tenure_reap(); });
}

void run_left() {
  fork_after_offline_all_over(TENURE_ISOLATED);
  fork_after_offline_all_over(0);
}
#else
void run_stepped() { _exit(kSkipped); }
void run_left() { _exit(kSkipped); }
#endif

}  // namespace
}  // namespace blackbox

int main(int argc, char** argv) {
  using namespace blackbox;
  const std::string scenario = argc == 2 ? argv[1] : "";
  REQUIRE(scenario == "churn" || scenario == "stepped" || scenario == "left",
          "usage: fork churn|stepped|left");
  // A restartable sequence that is stepped through starts over at each step.
  if (scenario != "churn" && std::string(tenure_mode()) == "rseq") return kSkipped;
  scenario == "churn" ? run_churn() : scenario == "stepped" ? run_stepped() : run_left();
  tenure_reap();
  require_valid_heap();
}
