// setrlimit and prlimit, wrapped. RLIMIT_AS counts the address space that the heap has reserved. A program that sets this limit would find
// all of it used: the kernel would refuse threads and libraries, and not the heap. So the heap gives back its unused address space before
// the call returns.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "allocator/heap/bootstrap.h"
#include "base/words/attributes.h"

namespace {

int set_limit(pid_t process, int resource, const void* fresh, void* old) {
  const long result = syscall(SYS_prlimit64, process, resource, fresh, old);
  if (result != 0) return -1;
  const bool own = process == 0 || process == getpid();
  if (fresh != nullptr && resource == RLIMIT_AS && own &&
      static_cast<const rlimit64*>(fresh)->rlim_cur != RLIM64_INFINITY)
    tenure::bound_heap();
  return 0;
}

}  // namespace

static_assert(sizeof(rlimit) == sizeof(rlimit64));

extern "C" {

TENURE_EXPORT int setrlimit(__rlimit_resource_t resource, const rlimit* limit) noexcept {
  return set_limit(0, resource, limit, nullptr);
}
TENURE_EXPORT int setrlimit64(__rlimit_resource_t resource, const rlimit64* limit) noexcept {
  return set_limit(0, resource, limit, nullptr);
}
TENURE_EXPORT int prlimit(pid_t process, __rlimit_resource resource, const rlimit* fresh,
                          rlimit* old) noexcept {
  return set_limit(process, resource, fresh, old);
}
TENURE_EXPORT int prlimit64(pid_t process, __rlimit_resource resource, const rlimit64* fresh,
                            rlimit64* old) noexcept {
  return set_limit(process, resource, fresh, old);
}

}  // extern "C"
