// The function that dlopen_<arch>.S calls the first time. Only in libtenure.so: in a static program dlopen is libc's own business.
//
// A library opened with RTLD_DEEPBIND looks for malloc and free in itself and what it needs first, so it finds libc's. But what libc
// gives it (strdup, getline, opendir) comes from the malloc that libc found, which is ours: libc's free then meets a foreign
// pointer and ends the process. So the flag is taken out, as no program can have relied on both. Debian's php opens all its
// extensions with it.
#include <dlfcn.h>

#include <cstdint>

#include "allocator/heap/bootstrap.h"
#include "allocator/slabs/arena.h"
#include "base/words/attributes.h"

using Dlopen = void*(const char*, int);

extern "C" {

// Read in this order: a thread that sees the function sees the mask. All threads write the same.
Dlopen* tenure_real_dlopen = nullptr;
int tenure_dlopen_mask = ~0;

Dlopen* tenure_find_dlopen() {
  if (tenure::bootstrap() && tenure::arena.settings.deepbind == 0)
    __atomic_store_n(&tenure_dlopen_mask, ~RTLD_DEEPBIND, __ATOMIC_RELAXED);
  auto* const found = reinterpret_cast<Dlopen*>(dlsym(RTLD_NEXT, "dlopen"));
  __atomic_store_n(&tenure_real_dlopen, found, __ATOMIC_RELEASE);
  return found;
}

}  // extern "C"
