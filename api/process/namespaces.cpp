// unshare and setns, wrapped. The kernel refuses some of their operations in a process with several threads, and the helper counts as one.
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "allocator/upkeep/helper.h"
#include "base/system/system_calls.h"
#include "base/words/attributes.h"

namespace {

template <typename... Arguments>
int call_alone(long number, Arguments... arguments) {
  // If the end of the helper is not visible, the kernel's refusal shows that it still exists.
  constexpr timespec kPause{0, 500 * 1000};
  int tries = tenure::end_helper() ? 1 : 20;
  const int saved = errno;
  for (;;) {
    const auto result = static_cast<int>(syscall(number, arguments...));
    if (result == 0 || errno != EINVAL || --tries == 0) return result;
    tenure::sys::sleep(kPause);
    errno = saved;
  }
}

}  // namespace

TENURE_EXPORT int unshare(int flags) noexcept { return call_alone(SYS_unshare, flags); }
TENURE_EXPORT int setns(int fd, int kind) noexcept { return call_alone(SYS_setns, fd, kind); }
