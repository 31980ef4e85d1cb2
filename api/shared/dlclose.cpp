// dlclose, wrapped: what the walk of stacks remembers of code that goes must not be taken for that of the code that comes there next. Only in
// libtenure.so: in a static program dlclose is libc's own business.
#include <dlfcn.h>

#include "base/stack/stack_walk.h"
#include "base/words/attributes.h"

TENURE_EXPORT int dlclose(void* library) noexcept {
  static int (*real)(void*) = nullptr;
  int (*found)(void*) = __atomic_load_n(&real, __ATOMIC_ACQUIRE);
  if (found == nullptr) {
    found = reinterpret_cast<int (*)(void*)>(dlsym(RTLD_NEXT, "dlclose"));
    __atomic_store_n(&real, found, __ATOMIC_RELEASE);
  }
  const int result = found(library);
  tenure::forget_frame_rules();
  return result;
}
