// The functions that vfork_<arch>.S calls before and after the system call.
//
// The child of vfork runs in its parent's memory, thread-local storage included, but the kernel has not registered the child for
// restartable sequences. The child would see its parent's last CPU number, and work on that CPU's lists without ever being aborted. So the
// parent ends its own registration first. The kernel then writes the number of unregistered threads, which child and parent both see. So
// malloc uses the areas that are shared by atomic operations, until the child has called exec or _exit and the parent is registered again.
#include <errno.h>

#include "allocator/slabs/arena.h"
#include "base/system/sandbox.h"
#include "rcu/rseq_abi.h"

namespace {

constexpr int kNothingToRestore = 0;
constexpr int kUseFork = -1;

}  // namespace

// Returns the registration to restore afterwards. If the registration cannot be ended, the child needs memory of its own, and the result is
// kUseFork.
extern "C" int tenure_before_vfork() {
  // A negative number: this is the child of another vfork, or a handler that interrupted a vfork.
  if (!tenure::arena.rseq || tenure::rseq_cpu(tenure::hot.rseq) < 0) return kNothingToRestore;
  // A program's filter lists the call if glibc makes it in each thread, but perhaps not otherwise.
  if (tenure::arena.own_rseq && tenure::is_filtered()) return kUseFork;
  const uint32_t length =
      tenure::rseq_suspend({tenure::arena.rseq, tenure::arena.own_rseq, tenure::hot.rseq});
  return length != 0 ? static_cast<int>(length) : kUseFork;
}

// In the parent. `result` is the system call's; the return value is vfork's.
extern "C" int tenure_after_vfork(long result, int to_restore) {
  if (to_restore != kNothingToRestore)
    tenure::rseq_resume(tenure::hot.rseq, static_cast<uint32_t>(to_restore));
  if (result >= 0) return static_cast<int>(result);
  errno = static_cast<int>(-result);
  return -1;
}
