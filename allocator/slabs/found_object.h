// The object at an address that free, realloc and their like were given.
#pragma once

#include "allocator/slabs/arena.h"
#include "allocator/slabs/family.h"
#include "allocator/slabs/misuse.h"
#include "allocator/slabs/slab.h"

namespace tenure {

struct Found {
  RunDescriptor* run;
  uint32_t number;  // The descriptor's
  uint32_t index;   // Of the object in its slab
};

// Reports what is no object.
TENURE_INLINE Found find_object(const void* object) {
  const uint32_t granule = granule_of(object);
  if (granule == kNoGranule) report_bad_pointer(object);
  const uint32_t number = arena.page_map.at(granule).descriptor.load(std::memory_order_relaxed);
  if (number == 0) report_bad_pointer(object);
  RunDescriptor& run = arena.descriptors.at(number);
  if (run.kind == RunKind::kStashed) report_misuse(Misuse::kDoubleFree, object);
  const uint64_t offset = reinterpret_cast<uint64_t>(object) -
                          reinterpret_cast<uint64_t>(arena.page_heap.address(run.granule));
  const ObjectIndex at =
      run.kind == RunKind::kSlab ? object_index(run, offset) : ObjectIndex{0, offset == 0};
  if (!at.exact) report_bad_pointer(object);
  return {&run, number, at.index};
}

inline uint64_t arena_offset(const void* object) {
  return reinterpret_cast<uint64_t>(object) - hot.arena_base;
}

// Hardened level: what leaves is marked.
inline void* mark_allocated(void* object) {
  if (object && arena.hardened) arena.page_map.mark(arena_offset(object), true);
  return object;
}

// The same for an object out of a free list, whose links stay behind: with what was cleared when it was freed, or never used, it is
// clear. (Of objects that keep their state they lie before what the program gets.)
inline void* hand_out(void* object) {
  if (object && arena.hardened) {
    auto* const links = static_cast<uint64_t*>(object);  // Of its chain, and of a depot.
    links[0] = links[1] = 0;
  }
  return mark_allocated(object);
}

// Hardened level: the mark of an object that is freed goes; one without is reported.
inline void mark_free(void* object, const RunDescriptor& run) {
  if (!arena.page_map.mark(arena_offset(object), false)) report_misuse(Misuse::kDoubleFree, object);
  // Objects that keep their state stay as they are; large ones are cleared with their run.
  if (run.kind == RunKind::kSlab && run.cache->family->prefix == 0)
    __builtin_memset(object, 0, run.object_size);
}

}  // namespace tenure
