// The usual way of a pooled object out of the CPU's list and back, without a call or an atomic instruction: a tenant's fast path. What is
// unusual is left to allocator/heap/pool.
//
//   take_pooled   bytes from the tenant's stock (one sequence); an object from the common list (one sequence); its tag
//   give_pooled   the tag; bytes to the owner's stock; the object to the common list
#pragma once

#include "allocator/fronts/charge_stock.h"
#include "allocator/heap/heap.h"
#include "allocator/heap/pool.h"
#include "allocator/slabs/current.h"
#include "allocator/slabs/misuse.h"
#include "base/system/fence.h"

namespace tenure {

TENURE_INLINE const PooledClass& pooled_class(uint64_t slot) {
  const auto* const table = reinterpret_cast<const char*>(hot.pooled_classes.data());
  return *reinterpret_cast<const PooledClass*>(table + sizeof(PooledClass) + slot);
}
TENURE_INLINE uint64_t in_arena(const void* object) {
  return reinterpret_cast<uint64_t>(object) - hot.arena_base;
}
TENURE_INLINE TagPlace tag_place(uint64_t in_arena) {
  return __builtin_bit_cast(TagPlace,
                            __atomic_load_n(reinterpret_cast<const uint64_t*>(hot.tag_places) +
                                                (in_arena >> kGranuleShift),
                                            __ATOMIC_RELAXED));
}
TENURE_INLINE std::atomic<OwnerTag>& tag_at(TagPlace place, uint64_t index) {
  return reinterpret_cast<std::atomic<OwnerTag>*>(place.tags())[index];
}

template <typename Argument>
TENURE_SLOW void* give_back_and_retry(OwnerTag tag, uint32_t units, Argument argument,
                                      void* (*otherwise)(Argument)) {
  uncharge_to_stock(tag, units * StockWord::kUnit);
  return otherwise(argument);
}

// own_pooled() where the slab's granules say where its tags are.
TENURE_INLINE void* own_quickly(void* object, const PooledClass& kind, OwnerTag tag) {
  const uint64_t at = in_arena(object);
  const TagPlace place = tag_place(at);
  if (TENURE_UNLIKELY(!place)) return own_pooled(object, tag);
  const uint64_t index = at % kGranuleSize * kind.reciprocal >> 32;
  // Relaxed: who frees the object got it from who allocated it.
  tag_at(place, index).store(tag, std::memory_order_relaxed);
  return object;
}

// An object of the class with the slot, or what otherwise(argument) returns, for whatever reason. By restartable sequences; the tenant is
// pinned, and not the root.
template <typename Argument>
TENURE_INLINE void* take_pooled(Tenant& tenant, uint64_t slot, Argument argument,
                                void* (*otherwise)(Argument)) {
  // 0 from when the tenant goes: the first word is never open.
  const OwnerTag tag = tenant.tag.load(std::memory_order_acquire);
  if (TENURE_UNLIKELY(has_own_cache(tenant, slot))) return otherwise(argument);
  const PooledClass& kind = pooled_class(slot);
  if (TENURE_UNLIKELY(!rseq_take(hot.cpu_base + stock_offset(tag), hot.rseq, kind.units)))
    return otherwise(argument);
  // The tenant may have gone before that, and its context with it: then the number may be another's by now. Acquire: the load comes
  // after the section's.
  acquire_fence();
  if (TENURE_UNLIKELY(tenant.tag.load(std::memory_order_relaxed) != tag))
    return give_back_and_retry(tag, kind.units, argument, otherwise);
  void* const object = rseq_pop_pair(hot.cpu_base, hot.rseq, hot.pool_front, slot);
  if (TENURE_UNLIKELY(object == nullptr))
    return allocate_unlisted(tenant, class_families[slot / kSlotSize], tag);
  return own_quickly(object, kind, tag);
}

// The object's tag, which is marked as freed. Reports a double free.
TENURE_INLINE OwnerTag take_tag(std::atomic<OwnerTag>& tagged, const void* object) {
  // Two plain steps: of two frees at the same instant both may pass, as they may in the lists.
  const OwnerTag tag = tagged.load(std::memory_order_relaxed);
  if (TENURE_UNLIKELY(!is_owned(tag))) report_misuse(Misuse::kDoubleFree, object);
  tagged.store(tag | kFreedTag, std::memory_order_relaxed);
  return tag;
}

// The tag of the tenant that the thread is in; any value where the thread is in none.
TENURE_INLINE OwnerTag tag_inside() {
  const uint32_t number = load_scope().tenant;
  if (TENURE_UNLIKELY(number == kNobodysNumber)) return 0;
  // Metadata stays readable, whatever lies there.
  const auto& tenant = *reinterpret_cast<const Tenant*>(hot.meta_base + (number & kPlaceMask) *
                                                                            uint64_t{kCacheLine});
  return tenant.tag.load(std::memory_order_relaxed);
}

// So that the compiler branches, and selects no value.
TENURE_INLINE OwnerTag other_payer(OwnerTag tag) {
  asm volatile("" : "+r"(tag));
  return tag;
}

// The tag, foretold: most objects are freed inside the tenant that pays for them. The tag's cache line often comes from far away, and the
// address of the stock need not wait for the line when a branch has guessed which stock.
TENURE_INLINE OwnerTag expect_payer(OwnerTag tag) {
  OwnerTag expected = tag_inside();
  // Hides from the compiler that the values are equal and may replace each other.
  asm("" : "+r"(expected));
  return TENURE_LIKELY(tag == expected) ? expected : other_payer(tag);
}

// Frees an object of a slab with a tag place: credits the owner and puts the object into the CPU's list. False, with nothing done: there is no
// tag place, or no object starts there. By restartable sequences.
TENURE_INLINE bool give_pooled(uint64_t at, void* object) {
  const TagPlace place = tag_place(at);
  if (!place) return false;
  const uint32_t number = place.class_number();
  const PooledClass& kind = hot.pooled_classes[number];
  const uint64_t offset = at % kGranuleSize, index = offset * kind.reciprocal >> 32;
  if (TENURE_UNLIKELY(index * kind.object_size != offset)) return false;
  const OwnerTag tag = take_tag(tag_at(place, index), object);
  const OwnerTag payer = expect_payer(tag);
  if (TENURE_UNLIKELY(!rseq_give(hot.cpu_base + stock_offset(payer), hot.rseq, kind.units))) {
    free_untagged(pool_caches[number - 1], tag, object);
  } else if (TENURE_UNLIKELY(!rseq_push(hot.cpu_base, hot.rseq, kind.front, object))) {
    deallocate_into(pool_caches[number - 1], object);
  }
  return true;
}

}  // namespace tenure
