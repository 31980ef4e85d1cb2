// free of an object whose owner says how long it is, where the fast path has refused it.
#include "allocator/heap/heap.h"
#include "allocator/slabs/misuse.h"

namespace tenure {

// Smaller than the object is possible: realloc shrinks in place.
static void check_size(const void* object, size_t size) {
  if (object != nullptr && size > usable_size(object)) report_misuse(Misuse::kWrongClass, object);
}

void deallocate_sized_slow(void* object, size_t size) {
  if (TENURE_UNLIKELY(arena.hardened)) check_size(object, size);
  const uint64_t unit = std::rotr(reinterpret_cast<uint64_t>(object) - hot.arena_base, 4);
  if (TENURE_UNLIKELY(unit >= arena_units())) return deallocate_foreign(object);
  deallocate_slow(object);
}

}  // namespace tenure
