// prctl, wrapped. A program that puts itself into a sandbox calls prctl for the filter, or for PR_SET_NO_NEW_PRIVS, which the kernel
// requires first of unprivileged programs. libseccomp calls it, too. The wrapper makes the system call as libc does.
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "allocator/upkeep/helper.h"
#include "base/system/sandbox.h"
#include "base/words/attributes.h"

TENURE_EXPORT int prctl(int option, ...) {
  va_list list;
  va_start(list, option);
  unsigned long argument[4];
  for (unsigned long& each : argument) each = va_arg(list, unsigned long);
  va_end(list);
  const bool asks = option == PR_SET_SECCOMP || option == PR_SET_NO_NEW_PRIVS;
  const bool noted = asks && tenure::expect_filter();
  // A filter may hold for all threads at once.
  if (noted) tenure::await_helper_start();
  const auto result = static_cast<int>(
      syscall(SYS_prctl, option, argument[0], argument[1], argument[2], argument[3]));
  if (result < 0 && noted) tenure::expect_no_filter();
  return result;
}
