#include <errno.h>

#include "accounting/pressure/reclaim.h"
#include "allocator/heap/heap.h"
#include "allocator/heap/large.h"
#include "allocator/heap/runtime_caller.h"
#include "allocator/slabs/current.h"
#include "allocator/slabs/found_object.h"

namespace tenure {
namespace {

// An object that realloc lengthens beyond this gets granules of its own even where a class would do: there it can go on growing without
// being copied again. The rest of the granule costs address space, and memory only as far as it is used.
constexpr size_t kLongestCopied = kGranuleSize / 2;

// Room for what the object holds, at its owner.
TENURE_NOINLINE void* allocate_for_owner(const void* object, size_t size) {
  Tenant& owner = pin_owner(object);
  void* const anew = allocate_for(owner, size, 1, Fill::kAny);
  if (&owner != &root_tenant) owner.unpin();
  return anew;
}

TENURE_INLINE void* allocate_beside(const RunDescriptor& run, const void* object, size_t size,
                                    bool beyond_slabs) {
  const bool own = run.kind == RunKind::kSlab
                       ? !run.pooled() && run.cache->owner == &current_tenant()
                       : run.context == nullptr && this_thread.scope.tenant == 0;
  if (TENURE_UNLIKELY(!own)) return allocate_for_owner(object, size);
  return beyond_slabs ? mark_allocated(allocate_large(current_tenant(), size, 1, Fill::kAny))
                      : allocate(size);
}

void* resize_in_place(const Found& found, void* object, size_t size) {
  if (arena.hardened) arena.page_map.mark(arena_offset(object), false);
  void* const resized = resize_large(found.number, size);
  mark_allocated(resized ? resized : object);
  return resized;
}

// Never fails: what finds no room below the limit stays where it is, without the granules it does not need.
TENURE_NOINLINE void* shrink(const Found& found, void* object, size_t size) {
  const int saved = errno;
  void* moved;
  {
    const QuietScope quiet;
    moved = allocate_beside(*found.run, object, size, false);
    if (TENURE_UNLIKELY(moved == nullptr)) {
      errno = saved;
      return found.run->kind == RunKind::kSlab ? object : resize_in_place(found, object, size);
    }
  }
  __builtin_memcpy(moved, object, size);
  deallocate(object);
  return moved;
}

}  // namespace

void* reallocate(void* object, size_t size) {
  const Found found = find_object(object);
  const RunDescriptor& run = *found.run;
  const bool slab = run.kind == RunKind::kSlab;
  const size_t usable = slab ? run.object_size : run.large_bytes;
  // Growth within the class or the granule, and shrinking by less than half, stay where they are.
  if (usable <= kLargestSmall && size <= usable && size >= usable / 2) return object;
  if (!slab && size > kLargestSmall) {
    if (void* resized = resize_in_place(found, object, size)) return resized;
  }
  if (size <= usable) return shrink(found, object, size);
  void* const moved = allocate_beside(run, object, size, size > kLongestCopied);
  if (TENURE_UNLIKELY(moved == nullptr)) return nullptr;
  __builtin_memcpy(moved, object, usable);
  deallocate(object);
  return moved;
}

void* reallocate_for_runtime(void* object, size_t size, const void* caller) {
  if (!is_runtime_caller(caller)) return nullptr;
  const RootScope as_root;
  void* const moved = allocate(size);
  if (moved == nullptr) return nullptr;
  const size_t usable = usable_size(object);
  __builtin_memcpy(moved, object, usable < size ? usable : size);
  deallocate(object);
  return moved;
}

}  // namespace tenure
