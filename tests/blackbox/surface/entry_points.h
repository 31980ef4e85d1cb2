#pragma once

#include <stddef.h>

// What <stdlib.h> and <malloc.h> of the C library may be too old to declare. Weak, so that this suite
// also links against another allocator.
extern "C" {
void free_sized(void* object, size_t size) __attribute__((weak));
void free_aligned_sized(void* object, size_t alignment, size_t size) __attribute__((weak));

// glibc's other names, which no header declares.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
void* __libc_malloc(size_t size);
void __libc_free(void* object);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* object, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void* __libc_valloc(size_t size);
void* __libc_pvalloc(size_t size);
int __posix_memalign(void** object, size_t alignment, size_t size) __attribute__((weak));
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
}

namespace blackbox {

// Hides a value from the optimiser, which would otherwise diagnose or fold the calls under test.
template <typename T>
T opaque(T value) {
  asm volatile("" : "+r"(value));
  return value;
}

// What a well-behaved program never asks for.
inline constexpr size_t kTooLarge[] = {
    size_t(1) << 63,   (size_t(1) << 63) + 1, ~size_t(0) / 2 + 4096, ~size_t(0) - 65536,
    ~size_t(0) - 4096, ~size_t(0) - 4095,     ~size_t(0) - 64,       ~size_t(0) - 16,
    ~size_t(0) - 15,   ~size_t(0) - 8,        ~size_t(0) - 1,        ~size_t(0),
};

}  // namespace blackbox
