// Sandboxes that refuse what an allocator would like to have: membarrier, rseq, madvise, mremap; each
// alone and all, with EPERM and ENOSYS, from the start of the process and while it runs.

#include <errno.h>
#include <sys/syscall.h>

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

int error_of(const std::string& name) { return name == "EPERM" ? EPERM : ENOSYS; }

}  // namespace

// arguments: what, error, start|later
void seccomp_child(const Words& arguments) {
  if (arguments[2] == "later") {
    run_workload({});
    REQUIRE(refuse_system_calls(calls_of(arguments[0]), error_of(arguments[1])), "seccomp: %s",
            strerror(errno));
  }
  WorkloadOptions options;
  options.threads = arguments[2] == "start" || (arguments[0] != "rseq" && arguments[0] != "all");
  run_workload(options);
  run_workload(options);
}

int run_seccomp() {
  for (const auto& refusal : refusals)
    for (const char* error : {"EPERM", "ENOSYS"})
      for (const char* when : {"start", "later"}) {
        ChildOptions options;
        if (strcmp(when, "start") == 0)
          options.prepare = [&] {
            if (!refuse_system_calls(refusal.calls, error_of(error))) _exit(kSkipped);
          };
        ChildResult result = run_self({"child", "seccomp", refusal.name, error, when}, options);
        if (result.exited(kSkipped)) return kSkipped;
        REQUIRE(result.exited(0), "%s refused with %s, %s: %s", refusal.name, error, when,
                result.describe().c_str());
      }
  return 0;
}

}  // namespace blackbox
