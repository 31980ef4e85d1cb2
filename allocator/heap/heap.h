// Room allocator/heap: malloc and free. It calls all rooms below. It promises the malloc family's contract, lock-free.
//
// malloc and free.
//
//   allocate                                 pop from the CPU's lists           ~2 ns
//     allocate_slow                          bootstrap; size to class
//       allocate_large                       a run of granules
//       allocate_from                        one class of one tenant
//         Front::pop, take_list              the CPU's other list
//         take_chain                         a chain from the CPU's depot, or the common one
//         take_from_partial                  all free objects of a slab, or new ones
//         create_slab -> allocate_run        a run from the page heap
//   deallocate                               push on the CPU's list             ~2 ns
//     deallocate_slow                        what is it?
//       free_large
//       free_into                            full list: the whole chain to the depot
//
// All of it is lock-free, async-signal-safe, and keeps errno except for ENOMEM.
#pragma once

#include <bit>
#include <cstddef>

#include "allocator/pages/size_class.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/family.h"
#include "rcu/rseq_ops.h"

namespace tenure {

// `caller`: what the exported function returns to, where that matters to a refusal (allocator/heap/runtime_caller.h).
TENURE_NOINLINE void* allocate_slow(size_t size, const void* caller = nullptr);
TENURE_SLOW void* allocate_zeroed_slow(size_t size);
TENURE_SLOW void* allocate_aligned_slow(size_t size, size_t alignment);
TENURE_NOINLINE void deallocate_slow(void* object);
TENURE_SLOW void deallocate_foreign(void* object);
TENURE_NOINLINE void deallocate_sized_slow(void* object, size_t size);

// ---- the fast path ----

// A plain load, which can be an operand of the comparison. An object is freed after its malloc raised
// the value, so an old one does no harm.
TENURE_STALE_READ inline uint64_t arena_units() { return hot.arena_units; }
// Likewise. Making the second thread allocates, so it comes after the heap; where there are threads before (tests), 0 is what they
// may see, and leads to the slow path.
TENURE_STALE_READ inline uint64_t front_sizes() { return hot.front_sizes; }

// Slot in a front of a size that the fronts serve.
inline uint64_t slot_in_front(size_t size) {
  return hot.slot_of_size[(size + kMinAlignment - 1) / kMinAlignment];
}

// `slow` takes the size.
template <typename Slow>
TENURE_INLINE void* allocate_or(size_t size, Slow slow) {
  if (TENURE_UNLIKELY(size >= this_thread.quick_sizes)) return slow(size);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \
    "-Warray-bounds"  // Of large constant sizes: quick_sizes is never beyond the table.
  const uint64_t in_front = hot.slot_of_size[(size + kMinAlignment - 1) / kMinAlignment];
#pragma GCC diagnostic pop
  void* const object = rseq_pop_pair(hot.cpu_base, hot.rseq, this_thread.scope.front, in_front);
  if (TENURE_UNLIKELY(object == nullptr)) return slow(size);
  return object;
}
TENURE_INLINE void* allocate(size_t size) {
  return allocate_or(size, [](size_t bytes) { return allocate_slow(bytes); });
}

// Clears an object of at least `size` bytes: its length is a multiple of 16 and not 0, so a few overlapping stores do for a
// short one.
TENURE_INLINE void clear(void* object, size_t size) {
  using Unit = unsigned char __attribute__((vector_size(kMinAlignment), may_alias));
  if (TENURE_UNLIKELY(size > 4 * sizeof(Unit))) {
    __builtin_memset(object, 0, size);
    return;
  }
  Unit* const units = static_cast<Unit*>(object);
  const size_t last = (size - (size != 0)) / sizeof(Unit);
  units[0] = Unit{};
  units[last] = Unit{};
  if (last > 1) {
    units[1] = Unit{};
    units[last - 1] = Unit{};
  }
}

// Zeroed memory.
TENURE_INLINE void* allocate_zeroed(size_t size) {
  if (TENURE_UNLIKELY(size >= this_thread.quick_sizes)) return allocate_zeroed_slow(size);
  void* const object = allocate(size);
  if (TENURE_LIKELY(object != nullptr)) clear(object, size);
  return object;
}

// `alignment` is a power of two. The test lets some pairs through to the slow way that need not, none that must.
TENURE_INLINE void* allocate_aligned(size_t size, size_t alignment) {
  if (TENURE_UNLIKELY((size | alignment) > kLargestSmall))
    return allocate_aligned_slow(size, alignment);
  return allocate(aligned_size(size, alignment));
}

// NULL, foreign and misaligned pointers fail the one range check: the rotation moves low bits that should be zero to the top.
// Everything but a slab with a front of its own has entry 0, the closed slot, which takes no push.
TENURE_INLINE void deallocate(void* object) {
  const uint64_t unit = std::rotr(reinterpret_cast<uint64_t>(object) - hot.arena_base, 4);
  if (TENURE_UNLIKELY(unit >= arena_units())) return deallocate_foreign(object);
  const GranuleEntry& entry = hot.entries[unit >> (kGranuleShift - 4)];
  if (TENURE_UNLIKELY(!rseq_push(hot.cpu_base, hot.rseq, entry.front, object)))
    deallocate_slow(object);
}

// free of an object that its owner believes to be `size` bytes long. The hardened level, where every free takes the slow path, checks that
// it can be.
TENURE_INLINE void deallocate_sized(void* object, size_t size) {
  const uint64_t unit = std::rotr(reinterpret_cast<uint64_t>(object) - hot.arena_base, 4);
  if (TENURE_UNLIKELY(unit >= arena_units())) return deallocate_sized_slow(object, size);
  const uint32_t* front = &hot.entries[unit >> (kGranuleShift - 4)].front;
  asm(""
      : "+r"(
          front));  // In one register instead of two: the size, which the slow path wants, needs one to itself.
  if (TENURE_UNLIKELY(!rseq_push(hot.cpu_base, hot.rseq, *front, object)))
    deallocate_sized_slow(object, size);
}

// ---- everything else ----

// For the tenant given, which is pinned, instead of the current one.
void* allocate_for(Tenant& tenant, size_t size, size_t alignment, Fill fill);
// From one cache, or a sample instead. nullptr with errno ENOMEM. Not in a read section.
void* allocate_from(Cache& cache);
// The same, never a sample.
void* take_from(Cache& cache);
// Puts an object of the cache, which is the root's or the pool's, into its lists. Keeps errno.
void deallocate_into(Cache& cache, void* object);
// From one cache family, for a pinned tenant.
void* allocate_from_family(Tenant& tenant, CacheFamily& family);
// As realloc, for object != nullptr and size > 0. The object stays its owner's.
void* reallocate(void* object, size_t size);
// Where that was refused, and the caller is a runtime (allocator/heap/runtime_caller.h): the object becomes the root's. Else nullptr.
TENURE_SLOW void* reallocate_for_runtime(void* object, size_t size, const void* caller);
// The family of a small object, or nullptr.
const CacheFamily* family_of(const void* object);
// Bytes that may be used; the same for the life of the object. 0 for nullptr.
size_t usable_size(const void* object);
// The tenant that pays for the object now, pinned (but for the root).
Tenant& pin_owner(const void* object);
// Has the tenant, which is pinned, pay for it. The object's new place, or nullptr (errno ENOMEM) with nothing changed.
void* transfer(Tenant& tenant, void* object);

}  // namespace tenure
