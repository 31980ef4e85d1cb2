// The system refuses memory while the program runs: mmap, mprotect and their like fail with ENOMEM from
// some moment on. What the heap has it goes on using; for more it answers ENOMEM; nothing is lost.

#include <errno.h>
#include <sys/syscall.h>

#include "tests/blackbox/environment/filter.h"
#include "tests/blackbox/environment/scenarios.h"
#include "tests/blackbox/environment/workload.h"
#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/child.h"

namespace blackbox {

namespace {

struct {
  const char* name;
  std::vector<int> calls;
} const faults[] = {
    {"mmap", {SYS_mmap}},
    {"mprotect", {SYS_mprotect}},
    {"munmap", {SYS_munmap}},
    {"mremap", {SYS_mremap}},
    {"madvise", {SYS_madvise}},
    {"growth", {SYS_mmap, SYS_mprotect, SYS_mremap, SYS_brk}},
    {"all", {SYS_mmap, SYS_mprotect, SYS_mremap, SYS_brk, SYS_madvise, SYS_munmap, SYS_membarrier}},
};

}  // namespace

// arguments: fault, cold|warm, bytes an object
void faults_child(const Words& arguments) {
  if (arguments[1] == "warm") run_workload({});
  for (const auto& fault : faults)
    if (arguments[0] == fault.name)
      REQUIRE(refuse_system_calls(fault.calls, ENOMEM), "seccomp: %s", strerror(errno));
  constexpr size_t kCap = size_t(48) << 20;  // not every heap needs the call for more memory
  WorkloadOptions options;
  options.threads = false;  // a stack needs mmap
  options.memory_is_limited = true;
  if (arguments[1] == "warm") run_workload(options);
  exhaust(std::stoul(arguments[2]), kCap);
  if (arguments[1] == "warm") run_workload(options);
  exhaust(2000, kCap);
}

int run_faults() {
  ChildOptions probe;
  probe.prepare = [] { _exit(refuse_system_calls({SYS_mremap}, ENOMEM) ? 0 : kSkipped); };
  if (run_self({}, probe).exited(kSkipped)) return kSkipped;
  for (const auto& fault : faults)
    for (const char* state : {"cold", "warm"})
      for (const char* size : {"64", "5000", "2000000"}) {
        ChildResult result = run_self({"child", "faults", fault.name, state, size});
        REQUIRE(result.exited(0), "%s fails, heap %s, objects of %s: %s", fault.name, state, size,
                result.describe().c_str());
      }
  return 0;
}

}  // namespace blackbox
