// The usual way of a pooled object out of the CPU's list and back, without a call: a small tenant's fast path, three to four times
// as long as that of a private cache. What is unusual is left to allocator/pool.
#pragma once

#include "allocator/charge_stock.h"
#include "allocator/heap.h"
#include "allocator/misuse.h"
#include "base/meta_arena.h"

namespace tenure {

// Makes a free object of the pool, already paid for, its tenant's.
inline void* own_pooled(void* object, OwnerTag tag) {
  // The links that it held in the lists: all else was cleared when it was freed, or the slab made.
  auto* const words = static_cast<uint64_t*>(object);
  words[0] = words[1] = 0;
  const uint32_t granule =
      static_cast<uint32_t>((reinterpret_cast<uint64_t>(object) - hot.arena_base) >> kGranuleShift);
  const uint32_t number = hot.entries[granule].descriptor.load(std::memory_order_relaxed);
  const RunDescriptor& slab = arena.descriptors.at(number);
  const uint64_t offset = reinterpret_cast<uint64_t>(object) -
                          reinterpret_cast<uint64_t>(arena.page_heap.address(slab.granule));
  // Relaxed: who frees the object got it from who allocated it.
  slab.tags[object_index(slab, offset).index].store(tag, std::memory_order_relaxed);
  return object;
}

// An object, or what `otherwise` returns: by find_cache() and allocate_pooled(), for whatever reason. The tenant is pinned, and not
// the root.
template <typename Otherwise>
TENURE_INLINE void* take_pooled(Tenant& tenant, uint32_t class_index, Otherwise otherwise) {
  const int32_t cpu = rseq_cpu(hot.rseq);
  TenantHeap* const heap = heap_of(tenant);
  // Taken away when the tenant goes.
  const AccountingContext* const context = tenant.context.load(std::memory_order_acquire);
  if (cpu < 0 || !arena.rseq || context == nullptr) return otherwise();
  if (heap ? heap->may_have_cache(class_index) || !heap->count_pooled(class_index)
           : is_isolated(tenant) || !count_without_heap(tenant))
    return otherwise();
  Cache& pool = pool_caches[class_index];
  const OwnerTag tag = tag_of_tenants(*context);
  if (!take_from_stock(static_cast<uint32_t>(cpu), tag, pool.object_size)) return otherwise();
  // The tenant may have gone before that, and its context with it: then the stock may be another's by now.
  if (TENURE_UNLIKELY(tenant.context.load(std::memory_order_acquire) != context)) {
    uncharge_pooled(tag, pool.object_size);
    return otherwise();
  }
  void* const object = rseq_pop_pair(hot.cpu_base, hot.rseq, pool.slot_in_place(), 0);
  if (TENURE_UNLIKELY(object == nullptr)) return allocate_charged(pool, tag);
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

// Credits the owner of object number `index` of a slab of the pool, clears it (nobody reads another tenant's memory), and puts it into
// the CPU's list, or has free_pooled() do the last or all of it.
TENURE_INLINE void give_pooled(const RunDescriptor& slab, uint32_t index, void* object) {
  constexpr uint32_t kInline = 256;
  const int32_t cpu = rseq_cpu(hot.rseq);
  const uint32_t size = slab.object_size;
  if (TENURE_UNLIKELY(cpu < 0 || !arena.rseq || size > kInline))
    return free_pooled(slab, index, object);
  const OwnerTag tag = take_tag(slab, index, object);
  using Unit = unsigned char __attribute__((vector_size(kMinAlignment), may_alias));
  auto* const units = static_cast<Unit*>(object);
  for (uint32_t i = 0; i < size / sizeof(Unit); ++i) units[i] = Unit{};
  if (TENURE_UNLIKELY(!add_to_stock(static_cast<uint32_t>(cpu), tag, size)))
    return free_cleared(*slab.cache, tag, object);
  const Cache& pool = *slab.cache;
  if (TENURE_UNLIKELY(!rseq_push(hot.cpu_base, hot.rseq, pool.slot_in_place(), object)))
    deallocate_into(*slab.cache, object);
}

}  // namespace tenure
