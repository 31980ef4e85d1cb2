// The C allocation functions, as glibc's users rely on them. Only the exported symbols live here.
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "allocator/heap.h"
#include "allocator/reclaim.h"
#include "allocator/statistics.h"
#include "base/bits.h"

namespace {

size_t page_size() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

void* fail(int error) {
  errno = error;
  return nullptr;
}

}  // namespace

TENURE_EXPORT void* malloc(size_t size) { return tenure::allocate(size); }

TENURE_EXPORT void free(void* p) { tenure::deallocate(p); }

TENURE_EXPORT void cfree(void* p) { tenure::deallocate(p); }

TENURE_EXPORT void free_sized(void* p, size_t size) { tenure::deallocate_sized(p, size); }

TENURE_EXPORT void free_aligned_sized(void* p, size_t, size_t size) {
  tenure::deallocate_sized(p, size);
}

TENURE_EXPORT void* calloc(size_t count, size_t size) {
  size_t bytes;
  if (TENURE_UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) return fail(ENOMEM);
  return tenure::allocate_zeroed(bytes);
}

TENURE_EXPORT void* realloc(void* p, size_t size) {
  if (TENURE_UNLIKELY(p == nullptr)) return tenure::allocate(size);
  if (TENURE_UNLIKELY(size == 0)) {
    tenure::deallocate(p);
    return nullptr;
  }
  return tenure::reallocate(p, size);
}

TENURE_EXPORT void* reallocarray(void* p, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return fail(ENOMEM);
  return realloc(p, bytes);
}

// As glibc 2.38: an alignment that is no power of two is an error.
TENURE_EXPORT void* aligned_alloc(size_t alignment, size_t size) {
  if (!tenure::is_power_of_two(alignment)) return fail(EINVAL);
  return tenure::allocate_aligned(size, alignment);
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
  void* const p = tenure::allocate_aligned(size, alignment);
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
TENURE_EXPORT int malloc_trim(size_t) { return tenure::trim() > 0; }

// glibc's tuning knobs have no counterpart: accepted and without effect, as in other drop-in allocators.
TENURE_EXPORT int mallopt(int, int) { return 1; }

TENURE_EXPORT struct mallinfo2 mallinfo2(void) {
  tenure::HeapStatistics s;
  tenure::collect_statistics(s);
  struct mallinfo2 info = {};
  info.arena = s.committed_bytes;
  info.hblks = s.large_objects;
  info.hblkhd = s.large_bytes;
  info.uordblks = s.allocated_bytes;
  info.fordblks = s.cached_bytes + s.dirty_bytes;
  info.fsmblks = s.cached_bytes;
  info.keepcost = s.dirty_bytes;
  return info;
}

TENURE_EXPORT struct mallinfo mallinfo(void) {
  const struct mallinfo2 wide = mallinfo2();
  struct mallinfo info = {};
  info.arena = static_cast<int>(wide.arena);
  info.hblks = static_cast<int>(wide.hblks);
  info.hblkhd = static_cast<int>(wide.hblkhd);
  info.uordblks = static_cast<int>(wide.uordblks);
  info.fordblks = static_cast<int>(wide.fordblks);
  info.fsmblks = static_cast<int>(wide.fsmblks);
  info.keepcost = static_cast<int>(wide.keepcost);
  return info;
}

TENURE_EXPORT void malloc_stats(void) { tenure::print_statistics(STDERR_FILENO, false); }

// XML like glibc's in its outline; the numbers are ours.
TENURE_EXPORT int malloc_info(int options, FILE* stream) {
  if (options != 0) {
    errno = EINVAL;
    return -1;
  }
  tenure::HeapStatistics s;
  tenure::collect_statistics(s);
  fprintf(stream, "<malloc version=\"tenure-1\">\n");
  for (uint32_t i = 0; i < tenure::kClassCount; ++i) {
    const tenure::ClassStatistics& c = s.classes[i];
    if (c.slabs == 0) continue;
    fprintf(stream,
            "<class size=\"%zu\" allocated=\"%zu\" slabs=\"%zu\" fronts=\"%zu\" depot=\"%zu\" "
            "free=\"%zu\"/>\n",
            tenure::class_size(i), static_cast<size_t>(c.allocated()), static_cast<size_t>(c.slabs),
            static_cast<size_t>(c.in_fronts), static_cast<size_t>(c.in_depot),
            static_cast<size_t>(c.in_slabs));
  }
  fprintf(
      stream,
      "<total type=\"large\" count=\"%zu\" size=\"%zu\"/>\n<total type=\"rest\" size=\"%zu\"/>\n"
      "<system type=\"current\" size=\"%zu\"/>\n</malloc>\n",
      static_cast<size_t>(s.large_objects), static_cast<size_t>(s.large_bytes),
      static_cast<size_t>(s.cached_bytes + s.dirty_bytes), static_cast<size_t>(s.committed_bytes));
  return ferror(stream) ? -1 : 0;
}
