// unshare and setns: the kernel refuses some of what they do to a process with several threads, and the helper would be one.
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "allocator/helper.h"
#include "base/attributes.h"

TENURE_EXPORT int unshare(int flags) noexcept {
  tenure::end_helper();
  return static_cast<int>(syscall(SYS_unshare, flags));
}

TENURE_EXPORT int setns(int fd, int kind) noexcept {
  tenure::end_helper();
  return static_cast<int>(syscall(SYS_setns, fd, kind));
}
