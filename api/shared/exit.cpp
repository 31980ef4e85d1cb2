// _exit and _Exit, wrapped: a process that leaves without exit() takes its live region's file with it. Only in libtenure.so: in a static
// program they are libc's own business.
//
// A vfork child leaves by _exit, too. It is another process, so end_region() leaves the parent's region alone. Async-signal-safe, as
// POSIX wants it.
#include <sys/syscall.h>
#include <unistd.h>

#include "base/words/attributes.h"
#include "live/region.h"

TENURE_EXPORT void _exit(int status) {
  tenure::live::end_region();
  for (;;) syscall(SYS_exit_group, status);
}

TENURE_EXPORT void _Exit(int status) noexcept { _exit(status); }
