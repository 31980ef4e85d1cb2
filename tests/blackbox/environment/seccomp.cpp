// Sandboxes that refuse what an allocator would like to have: membarrier, rseq, madvise, mremap; each
// alone and all, with EPERM and ENOSYS, from the start of the process and while it runs. And one that ends the process for every call that
// other allocators do without. Those that concern who registers threads are a group of their own (sandbox).

#include <errno.h>
#include <malloc.h>
#include <sys/syscall.h>
#include <tenure/tenure.h>

#include <thread>

#include "tests/blackbox/environment/filter.h"
#include "tests/blackbox/environment/scenarios.h"
#include "tests/blackbox/environment/workload.h"
#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/child.h"

namespace blackbox {

namespace {

#ifndef SYS_rseq
#define SYS_rseq 334
#endif

struct {
  const char* name;
  std::vector<int> calls;
} const refusals[] = {
    {"membarrier", {SYS_membarrier}},
    {"rseq", {SYS_rseq}},
    {"madvise", {SYS_madvise}},
    {"mremap", {SYS_mremap}},
    {"all", {SYS_membarrier, SYS_rseq, SYS_madvise, SYS_mremap}},
};

const std::vector<int>& calls_of(const std::string& name) {
  for (const auto& refusal : refusals)
    if (name == refusal.name) return refusal.calls;
  REQUIRE(false, "no refusal %s", name.c_str());
}

// What mimalloc, jemalloc and threads of glibc need. The library may register no thread either where glibc does not.
extern "C" __attribute__((weak)) const unsigned int __rseq_size;
bool glibc_registers() { return &__rseq_size != nullptr && __rseq_size != 0; }
std::vector<int> usual_calls() {
  std::vector<int> calls = {
      SYS_mmap,         SYS_munmap,       SYS_mprotect,        SYS_madvise, SYS_futex,
      SYS_write,        SYS_rt_sigaction, SYS_rt_sigprocmask,  SYS_clone,   SYS_exit,
      SYS_rt_sigreturn, SYS_exit_group,   SYS_set_robust_list, SYS_clone3,  SYS_clock_gettime,
      SYS_sched_yield};
  if (glibc_registers()) calls.push_back(SYS_rseq);
  return calls;
}

// Threads that take and give objects of all sizes, also each other's; growth by realloc; what control operations of tenants do
// with a tenant's lists.
void live_in_sandbox() {
  void* grown = malloc(1);
  for (size_t bytes = 1; bytes <= 32 << 20; bytes *= 2) {
    grown = realloc(grown, bytes);
    REQUIRE(grown != nullptr, "realloc to %zu", bytes);
    memset(grown, 1, bytes);
  }
  free(grown);
  std::vector<std::thread> threads;
  for (unsigned id = 0; id < 4; ++id)
    threads.emplace_back([id] {
      std::vector<void*> held(500);
      for (unsigned i = 0, x = id; i < 100000; ++i) {
        x = x * 1103515245 + 12345;
        void*& place = held[(x >> 8) % held.size()];
        free(place);
        place = malloc((x >> 16) % 100 == 0 ? (x >> 4) % 3000000 : (x >> 4) % 4000);
        REQUIRE(place != nullptr, "malloc");
      }
      for (void* place : held) free(place);
      malloc_trim(0);
    });
  for (std::thread& thread : threads) thread.join();
  for (int round = 0; round < 10; ++round) {
    tenure_tenant* tenant = nullptr;
    REQUIRE(tenure_tenant_create(nullptr, "guest", TENURE_ISOLATED, &tenant) == 0, "create");
    std::vector<void*> held;
    for (int i = 0; i < 20000; ++i) held.push_back(tenure_malloc(tenant, 64));
    for (size_t i = 0; i < held.size(); i += 2) free(held[i]);
    REQUIRE(tenure_tenant_offline(tenant, 0) == 0, "offline");
    for (size_t i = 1; i < held.size(); i += 2) free(held[i]);
    tenure_tenant_close(tenant);
  }
  malloc_trim(0);
  // The helper, which has come with the threads, ends without them.
  timespec from, now;
  clock_gettime(CLOCK_MONOTONIC, &from);
  do {
    free(malloc(1000));
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec - from.tv_sec < 2);
}

int error_of(const std::string& name) { return name == "EPERM" ? EPERM : ENOSYS; }

}  // namespace

// arguments: what, error, start|later
void seccomp_child(const Words& arguments) {
  if (arguments[0] == "trap") {
    if (arguments[1] == "used") run_workload({});
    REQUIRE(trap_all_but(usual_calls()), "seccomp: %s", strerror(errno));
    return live_in_sandbox();
  }
  if (arguments[2] == "later") {
    run_workload({});
    REQUIRE(refuse_system_calls(calls_of(arguments[0]), error_of(arguments[1])), "seccomp: %s",
            strerror(errno));
  }
  WorkloadOptions options;
  options.threads = arguments[2] == "start" || !glibc_registers() ||
                    (arguments[0] != "rseq" && arguments[0] != "all");
  run_workload(options);
  run_workload(options);
}

namespace {

int run_refusal(const char* name, const std::vector<int>& calls) {
  for (const char* error : {"EPERM", "ENOSYS"})
    for (const char* when : {"start", "later"}) {
      ChildOptions options;
      if (strcmp(when, "start") == 0)
        options.prepare = [&] {
          if (!refuse_system_calls(calls, error_of(error))) _exit(kSkipped);
        };
      ChildResult result = run_self({"child", "seccomp", name, error, when}, options);
      if (result.exited(kSkipped)) return kSkipped;
      REQUIRE(result.exited(0), "%s refused with %s, %s: %s", name, error, when,
              result.describe().c_str());
    }
  return 0;
}

}  // namespace

int run_seccomp() {
  for (const auto& refusal : refusals)
    if (strcmp(refusal.name, "rseq") != 0 && run_refusal(refusal.name, refusal.calls) == kSkipped)
      return kSkipped;
  return 0;
}

int run_sandbox() {
  for (const char* before : {"unused", "used"}) {
    ChildResult result = run_self({"child", "seccomp", "trap", before});
    REQUIRE(result.exited(0), "a heap %s before: %s", before, result.describe().c_str());
  }
  return run_refusal("rseq", calls_of("rseq"));
}

}  // namespace blackbox
