// The C allocation functions, as glibc's users rely on them. Only the exported symbols live here.
#include <errno.h>
#include <malloc.h>
#include <unistd.h>

#include "allocator/heap/heap.h"
#include "allocator/heap/runtime_caller.h"
#include "allocator/upkeep/reclaim.h"
#include "base/words/bits.h"

namespace {

size_t page_size() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

void* fail(int error) {
  errno = error;
  return nullptr;
}

TENURE_INLINE void* allocate_aligned(size_t alignment, size_t size, const void* caller) {
  void* const p = tenure::allocate_aligned(size, alignment);
  if (TENURE_LIKELY(p != nullptr)) return p;
  return tenure::allocate_for_runtime(caller,
                                      [=] { return tenure::allocate_aligned(size, alignment); });
}

}  // namespace

// The caller matters where it is refused, so it is looked at in the slow branches only.
TENURE_EXPORT TENURE_OWN_LINE void* malloc(size_t size) {
  return tenure::allocate_or(
      size, [](size_t bytes) __attribute__((always_inline)) {
        return tenure::allocate_slow(bytes, __builtin_return_address(0));
      });
}

TENURE_EXPORT TENURE_OWN_LINE void free(void* p) { tenure::deallocate(p); }

TENURE_EXPORT void cfree(void* p) { tenure::deallocate(p); }

TENURE_EXPORT void free_sized(void* p, size_t size) { tenure::deallocate_sized(p, size); }

TENURE_EXPORT void free_aligned_sized(void* p, size_t, size_t size) {
  tenure::deallocate_sized(p, size);
}

TENURE_EXPORT TENURE_OWN_LINE void* calloc(size_t count, size_t size) {
  size_t bytes;
  if (TENURE_UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) return fail(ENOMEM);
  void* const p = tenure::allocate_zeroed(bytes);
  if (TENURE_LIKELY(p != nullptr)) return p;
  return tenure::allocate_for_runtime(__builtin_return_address(0),
                                      [bytes] { return tenure::allocate_zeroed(bytes); });
}

TENURE_EXPORT void* realloc(void* p, size_t size) {
  if (TENURE_UNLIKELY(p == nullptr)) return tenure::allocate(size);
  if (TENURE_UNLIKELY(size == 0)) {
    tenure::deallocate(p);
    return nullptr;
  }
  void* const moved = tenure::reallocate(p, size);
  if (TENURE_LIKELY(moved != nullptr)) return moved;
  return tenure::reallocate_for_runtime(p, size, __builtin_return_address(0));
}

TENURE_EXPORT void* reallocarray(void* p, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return fail(ENOMEM);
  return realloc(p, bytes);
}

// As glibc 2.38: an alignment that is no power of two is an error.
TENURE_EXPORT void* aligned_alloc(size_t alignment, size_t size) {
  if (!tenure::is_power_of_two(alignment)) return fail(EINVAL);
  return allocate_aligned(alignment, size, __builtin_return_address(0));
}

// As glibc: other alignments are rounded up.
TENURE_EXPORT void* memalign(size_t alignment, size_t size) {
  if (alignment > SIZE_MAX / 2 + 1) return fail(EINVAL);
  return tenure::allocate_aligned(size,
                                  alignment <= 1 ? 1 : size_t{1} << tenure::log2_ceil(alignment));
}

TENURE_EXPORT int posix_memalign(void** result, size_t alignment, size_t size) {
  if (!tenure::is_power_of_two(alignment) || alignment % sizeof(void*) != 0) return EINVAL;
  const int saved = errno;
  void* const p = allocate_aligned(alignment, size, __builtin_return_address(0));
  errno = saved;
  if (p == nullptr) return ENOMEM;
  *result = p;
  return 0;
}

TENURE_EXPORT void* valloc(size_t size) { return tenure::allocate_aligned(size, page_size()); }

TENURE_EXPORT void* pvalloc(size_t size) {
  const size_t page = page_size();
  if (size > tenure::kLargestRequest - page) return fail(ENOMEM);
  return tenure::allocate_aligned(size == 0 ? page : tenure::round_up(size, page), page);
}

TENURE_EXPORT size_t malloc_usable_size(void* p) { return tenure::usable_size(p); }

// `pad` is for heaps with a top; there is none here.
TENURE_EXPORT int malloc_trim(size_t) { return tenure::trim_all() > 0; }

// glibc's tuning knobs have no counterpart: accepted and without effect, as in other drop-in allocators.
TENURE_EXPORT int mallopt(int, int) { return 1; }

// The names under which glibc exports its own functions besides. A program passes memory from any of them to free: both must
// be ours. `copy` gives an alias its target's attributes (alloc_size and the like), without which GCC warns.
#if defined(__GNUC__) && !defined(__clang__)
#define TENURE_ALIAS(target) __attribute__((alias(#target), copy(target)))
#else
#define TENURE_ALIAS(target) __attribute__((alias(#target)))
#endif
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
TENURE_EXPORT void* __libc_malloc(size_t size) TENURE_ALIAS(malloc);
TENURE_EXPORT void __libc_free(void* p) TENURE_ALIAS(free);
TENURE_EXPORT void* __libc_calloc(size_t count, size_t size) TENURE_ALIAS(calloc);
TENURE_EXPORT void* __libc_realloc(void* p, size_t size) TENURE_ALIAS(realloc);
TENURE_EXPORT void* __libc_memalign(size_t alignment, size_t size) TENURE_ALIAS(memalign);
TENURE_EXPORT void* __libc_valloc(size_t size) TENURE_ALIAS(valloc);
TENURE_EXPORT void* __libc_pvalloc(size_t size) TENURE_ALIAS(pvalloc);
TENURE_EXPORT int __posix_memalign(void** result, size_t alignment, size_t size)
    TENURE_ALIAS(posix_memalign);
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
