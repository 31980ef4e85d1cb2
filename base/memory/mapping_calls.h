// The bare system calls that map memory. The library exports functions of the same names (api/process/mapped_calls), which count the
// program's mappings. The library's own mappings are counted elsewhere. Errors are as libc's: MAP_FAILED or -1, and errno.
#pragma once

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

namespace tenure::sys {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)

// Sanitizers have to see mappings, so their builds call libc's functions. Nothing is exported there.
using ::madvise;
using ::mmap;
using ::mprotect;
using ::mremap;
using ::munmap;

#else

inline void* as_pointer(long result) { return reinterpret_cast<void*>(result); }

inline void* mmap(void* p, size_t bytes, int protection, int flags, int fd, off64_t offset) {
  return as_pointer(syscall(SYS_mmap, p, bytes, protection, flags, fd, offset));
}
inline int munmap(void* p, size_t bytes) { return static_cast<int>(syscall(SYS_munmap, p, bytes)); }
inline int mprotect(void* p, size_t bytes, int protection) {
  return static_cast<int>(syscall(SYS_mprotect, p, bytes, protection));
}
inline int madvise(void* p, size_t bytes, int advice) {
  return static_cast<int>(syscall(SYS_madvise, p, bytes, advice));
}
inline void* mremap(void* p, size_t bytes, size_t new_bytes, int flags, void* to = nullptr) {
  return as_pointer(syscall(SYS_mremap, p, bytes, new_bytes, flags, to));
}

#endif

inline int pkey_mprotect(void* p, size_t bytes, int protection, int key) {
  return static_cast<int>(syscall(SYS_pkey_mprotect, p, bytes, protection, key));
}
inline int mincore(void* p, size_t bytes, unsigned char* resident) {
  return static_cast<int>(syscall(SYS_mincore, p, bytes, resident));
}
// Returns the end of the program's data segment: the old end if the kernel refuses.
inline char* brk(void* end) { return reinterpret_cast<char*>(syscall(SYS_brk, end)); }

}  // namespace tenure::sys
