// The usual way of a pooled object out of the CPU's list and back, without a call or an atomic instruction: a tenant's fast path. What is
// unusual is left to allocator/heap/pool.
//
//   take_pooled   bytes from the tenant's stock (one sequence); an object from the common list (one sequence); its tag
//   give_pooled   the tag; bytes to the owner's stock; the object to the common list
#pragma once

#include "allocator/fronts/charge_stock.h"
#include "allocator/heap/heap.h"
#include "allocator/heap/pool.h"
#include "allocator/slabs/misuse.h"
#include "base/system/fence.h"

namespace tenure {

TENURE_INLINE const uint16_t& units_of(uint64_t slot) {
  const auto* const table = reinterpret_cast<const char*>(hot.units_of_slot.data());
  return *reinterpret_cast<const uint16_t*>(table + slot);
}

template <typename Argument>
TENURE_SLOW void* give_back_and_retry(OwnerTag tag, uint32_t units, Argument argument,
                                      void* (*otherwise)(Argument)) {
  uncharge_to_stock(tag, units * StockWord::kUnit);
  return otherwise(argument);
}

// Makes a free object of the pool, already paid for, its tenant's.
TENURE_INLINE void* own_pooled(void* object, OwnerTag tag) {
  const uint64_t place = reinterpret_cast<uint64_t>(object) - hot.arena_base;
  const uint32_t number =
      hot.entries[place >> kGranuleShift].descriptor.load(std::memory_order_relaxed);
  const RunDescriptor& slab = hot.descriptors[number];
  const uint64_t offset = place - (uint64_t{slab.granule} << kGranuleShift);
  // Relaxed: who frees the object got it from who allocated it.
  slab.tags[object_index(slab, offset).index].store(tag, std::memory_order_relaxed);
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
  const uint16_t& units = units_of(slot);
  if (TENURE_UNLIKELY(!rseq_take(hot.cpu_base + stock_offset(tag), hot.rseq, units)))
    return otherwise(argument);
  // The tenant may have gone before that, and its context with it: then the number may be another's by now. Acquire: the load comes
  // after the section's.
  acquire_fence();
  if (TENURE_UNLIKELY(tenant.tag.load(std::memory_order_relaxed) != tag))
    return give_back_and_retry(tag, units, argument, otherwise);
  void* const object = rseq_pop_pair(hot.cpu_base, hot.rseq, hot.pool_front, slot);
  if (TENURE_UNLIKELY(object == nullptr))
    return allocate_unlisted(tenant, class_families[slot / kSlotSize], tag);
  return own_pooled(object, tag);
}

// The object's tag, which is marked as freed. Reports a double free.
TENURE_INLINE OwnerTag take_tag(const RunDescriptor& slab, uint32_t index, const void* object) {
  std::atomic<OwnerTag>& tagged = slab.tags[index];
  // Two plain steps: of two frees at the same instant both may pass, as they may in the lists.
  const OwnerTag tag = tagged.load(std::memory_order_relaxed);
  if (TENURE_UNLIKELY(!is_owned(tag))) report_misuse(Misuse::kDoubleFree, object);
  tagged.store(tag | kFreedTag, std::memory_order_relaxed);
  return tag;
}

// Credits the owner of object number `index` of a slab of the pool and puts the object into the CPU's list, or has free_pooled() do the last
// or all of it. By restartable sequences.
TENURE_INLINE void give_pooled(const RunDescriptor& slab, uint32_t index, void* object) {
  const OwnerTag tag = take_tag(slab, index, object);
  Cache& pool = *slab.cache;
  if (TENURE_UNLIKELY(!rseq_give(hot.cpu_base + stock_offset(tag), hot.rseq,
                                 StockWord::units(slab.object_size))))
    return free_untagged(pool, tag, object);
  if (TENURE_UNLIKELY(!rseq_push(hot.cpu_base, hot.rseq, pool.slot_in_place(), object)))
    deallocate_into(pool, object);
}

}  // namespace tenure
