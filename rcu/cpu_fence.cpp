#include "rcu/cpu_fence.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/system/sandbox.h"

namespace tenure {
namespace {

// Values are written out: the headers of older systems lack them.
constexpr int kExpeditedRseq = 1 << 7;
constexpr int kRegisterExpeditedRseq = 1 << 8;

bool membarrier(int command) {
  const int saved = errno;
  const bool done = syscall(SYS_membarrier, command, 0, 0) == 0;
  errno = saved;
  return done;
}

}  // namespace

bool cpu_fence_register() { return membarrier(kRegisterExpeditedRseq); }

bool cpu_fence() {
  // Without another thread no section is under way. If this is a signal handler, the signal has aborted this thread's own section.
  if (is_filtered()) return __libc_single_threaded;
  if (membarrier(kExpeditedRseq)) return true;
  // A fork child may have lost the registration.
  return membarrier(kRegisterExpeditedRseq) && membarrier(kExpeditedRseq);
}

}  // namespace tenure
