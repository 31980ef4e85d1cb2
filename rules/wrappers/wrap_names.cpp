// prctl and pthread_setname_np, wrapped: the name of a thread.
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>

#include "rules/current.h"
#include "rules/loaded.h"
#include "rules/threads.h"
#include "rules/wrappers/next.h"

using namespace tenure::rules;

namespace {

// The number of bytes of the name that may be read. The kernel reads no more than 16 bytes. The library reads on only if one of them is
// '@'.
size_t readable(const char* name) {
  const size_t length = strnlen(name, 16);
  return memchr(name, '@', length) != nullptr ? kPathBytes : length;
}

int set_own_name(const char* name) {
  const auto real = next().prctl;
  char before[16] = {};
  real(PR_GET_NAME, before, 0L, 0L, 0L);
  // The kernel checks the address.
  if (const int result = real(PR_SET_NAME, name, 0L, 0L, 0L); result != 0) return result;
  char plain[16];
  const char* const tenant = split_name(name, readable(name), plain);
  if (tenant != nullptr && *plain == '\0') memcpy(plain, before, sizeof plain);
  if (tenant != nullptr) real(PR_SET_NAME, plain, 0L, 0L, 0L);
  rename_this_thread(plain, tenant);
  return 0;
}

}  // namespace

TENURE_EXPORT int prctl(int option, ...) {
  va_list arguments;
  va_start(arguments, option);
  const unsigned long a = va_arg(arguments, unsigned long), b = va_arg(arguments, unsigned long),
                      c = va_arg(arguments, unsigned long), d = va_arg(arguments, unsigned long);
  va_end(arguments);
  if (option == PR_SET_NAME && is_active(kIsOn))
    return set_own_name(reinterpret_cast<const char*>(a));
  return next().prctl(option, a, b, c, d);
}

TENURE_EXPORT int pthread_setname_np(pthread_t thread, const char* name) {
  const auto real = next().pthread_setname_np;
  if (!is_active(kIsOn)) return real(thread, name);
  const int saved = errno;
  char plain[16];
  const char* const tenant = split_name(name, kPathBytes, plain);
  if (tenant == nullptr || *plain != '\0') {
    if (const int error = real(thread, tenant ? plain : name); error != 0) return error;
  } else {
    pthread_getname_np(thread, plain, sizeof plain);
  }
  if (pthread_equal(thread, pthread_self()) != 0) {
    rename_this_thread(plain, tenant);
  } else {
    leave_name_for(thread, plain, tenant);
  }
  errno = saved;
  return 0;
}
