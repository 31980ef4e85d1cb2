// mmap and its family, wrapped, so that the program's mappings count for the limit of the process (mapped/calls.h). Without such a limit
// they are only the system calls. Calls that libc makes inside itself (stacks of threads, loaded libraries) do not reach these functions.
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory/mapping_calls.h"
#include "base/words/attributes.h"
#include "mapped/calls.h"

using namespace tenure;

// libc's variable. libc's sbrk uses it, and some programs read it.
extern "C" void* __curbrk;

namespace {

// The kernel's end of the data segment. libc may not have asked for it yet.
char* break_now() { return sys::brk(nullptr); }

bool set_break(char* now, char* end) {
  char* const reached =
      mapped::tracks() && now != nullptr ? mapped::move_break(now, end) : sys::brk(end);
  __curbrk = reached;
  // The kernel does not round. Any other end means that the kernel, or the limit, has refused.
  if (reached == end) return true;
  errno = ENOMEM;
  return false;
}

}  // namespace

extern "C" {

TENURE_EXPORT void* mmap(void* p, size_t bytes, int protection, int flags, int fd,
                         off_t offset) noexcept {
  if (!mapped::tracks()) return sys::mmap(p, bytes, protection, flags, fd, offset);
  return mapped::map(p, bytes, protection, flags, fd, offset);
}
TENURE_EXPORT void* mmap64(void* p, size_t bytes, int protection, int flags, int fd,
                           off64_t offset) noexcept {
  if (!mapped::tracks()) return sys::mmap(p, bytes, protection, flags, fd, offset);
  return mapped::map(p, bytes, protection, flags, fd, offset);
}
TENURE_EXPORT int munmap(void* p, size_t bytes) noexcept {
  return mapped::tracks() ? mapped::unmap(p, bytes) : sys::munmap(p, bytes);
}
TENURE_EXPORT void* mremap(void* p, size_t bytes, size_t new_bytes, int flags, ...) noexcept {
  void* to = nullptr;
  if ((flags & ~MREMAP_MAYMOVE) != 0) {  // MREMAP_FIXED, or MREMAP_DONTUNMAP with an address.
    va_list list;
    va_start(list, flags);
    to = va_arg(list, void*);
    va_end(list);
  }
  return mapped::tracks() ? mapped::remap(p, bytes, new_bytes, flags, to)
                          : sys::mremap(p, bytes, new_bytes, flags, to);
}
TENURE_EXPORT int mprotect(void* p, size_t bytes, int protection) noexcept {
  return mapped::tracks() ? mapped::protect(p, bytes, protection, mapped::kNoKey)
                          : sys::mprotect(p, bytes, protection);
}
TENURE_EXPORT int pkey_mprotect(void* p, size_t bytes, int protection, int key) noexcept {
  // As in libc: without a key it is mprotect, which old kernels have.
  if (key == mapped::kNoKey) return mprotect(p, bytes, protection);
  return mapped::tracks() ? mapped::protect(p, bytes, protection, key)
                          : sys::pkey_mprotect(p, bytes, protection, key);
}
TENURE_EXPORT int madvise(void* p, size_t bytes, int advice) noexcept {
  return mapped::tracks() ? mapped::advise(p, bytes, advice) : sys::madvise(p, bytes, advice);
}
TENURE_EXPORT int brk(void* end) noexcept {
  return set_break(break_now(), static_cast<char*>(end)) ? 0 : -1;
}
TENURE_EXPORT void* sbrk(intptr_t increment) noexcept {
  char* const now = break_now();
  __curbrk = now;
  if (increment == 0) return now;
  const auto at = reinterpret_cast<uintptr_t>(now);
  const uintptr_t end = at + static_cast<uintptr_t>(increment);
  if ((increment > 0) != (end > at)) {
    errno = ENOMEM;
    return reinterpret_cast<void*>(-1);
  }
  return set_break(now, reinterpret_cast<char*>(end)) ? now : reinterpret_cast<void*>(-1);
}

}  // extern "C"
