// mlockall: every mapping, present and future, is populated at once, madvise(MADV_DONTNEED) is refused.
// An allocator that reserves generously with access rights would take the machine's memory here.

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>

#include "tests/blackbox/environment/scenarios.h"
#include "tests/blackbox/environment/workload.h"
#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/memory.h"

namespace blackbox {

namespace {

constexpr size_t kMost = size_t(600) << 20;

}  // namespace

// arguments: first|warm (before the first allocation of the program proper, or with a used heap)
void locking_child(const Words& arguments) {
  if (arguments[0] == "warm") run_workload({});
  int flags = arguments[1] == "future" ? MCL_FUTURE : MCL_CURRENT | MCL_FUTURE;
  if (mlockall(flags) != 0) {
    REQUIRE(errno == ENOMEM || errno == EPERM || errno == EAGAIN, "mlockall: %s", strerror(errno));
    _exit(kSkipped);
  }
  size_t resident = anonymous_bytes();
  REQUIRE(resident < kMost / 2, "%zu MiB resident after mlockall", resident >> 20);
  WorkloadOptions options;
  run_workload(options);
  malloc_trim(0);
  run_workload(options);
  REQUIRE(munlockall() == 0, "munlockall: %s", strerror(errno));
  run_workload(options);
  malloc_trim(0);
}

int run_locking() {
  int skipped = 0;
  for (const char* state : {"first", "warm"})
    for (const char* flags : {"current", "future"}) {
      bool too_large = false;
      ChildOptions options;
      // Ends the child before it takes too much of the machine.
      options.watch = [&](pid_t child) {
        if (resident_bytes_of(child) > kMost) {
          too_large = true;
          kill(child, SIGKILL);
        }
      };
      ChildResult result = run_self({"child", "locking", state, flags}, options);
      REQUIRE(!too_large, "mlockall %s, heap %s: more than %zu MiB resident", flags, state,
              kMost >> 20);
      if (result.exited(kSkipped))
        ++skipped;
      else
        REQUIRE(result.exited(0), "mlockall %s, heap %s: %s", flags, state,
                result.describe().c_str());
    }
  return skipped == 4 ? kSkipped : 0;
}

}  // namespace blackbox
