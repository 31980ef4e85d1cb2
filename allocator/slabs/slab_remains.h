// The end of a slab: the metadata beside it, and what is left of it once its last object is free.
#pragma once

#include "accounting/charge/charge.h"
#include "allocator/hooks.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/cache.h"
#include "allocator/slabs/family.h"
#include "allocator/slabs/last_payer.h"
#include "allocator/slabs/waiting_slabs.h"
#include "base/memory/meta_arena.h"

namespace tenure {

inline WaitingSlabs* waiting_of(const Cache& cache) {
  return cache.family ? cache.family->waiting : nullptr;
}

// The metadata beside a slab: the record for the time when it waits, of type-safe caches; tags. The tags of samples lie behind those of owners.
inline size_t record_bytes(const Cache& cache) {
  return waiting_of(cache) ? sizeof(WaitingSlab) : 0;
}
inline size_t beside_bytes(const Cache& cache) {
  const size_t tags = cache.has_tags() ? cache.capacity * sizeof(uint32_t) : 0;
  return record_bytes(cache) + tags * (cache.sampled ? 2 : 1);
}
inline std::atomic<uint32_t>* tags_in(const Cache& cache, char* beside) {
  return beside ? reinterpret_cast<std::atomic<uint32_t>*>(beside + record_bytes(cache)) : nullptr;
}
inline void release_beside(const Cache& cache, std::atomic<uint32_t>* tags) {
  if (tags)
    meta_arena.release(reinterpret_cast<char*>(tags) - record_bytes(cache), beside_bytes(cache));
}

// The remains of a dying slab. Copied before the exchange: afterwards its descriptor may be recycled by others at once.
struct Remains {
  const uint32_t granule, granules;
  AccountingContext* const context;
  std::atomic<uint32_t>* const tags;

  explicit Remains(const RunDescriptor& slab)
      : granule(slab.granule), granules(slab.granules), context(slab.context),
        tags(slab.collected ? nullptr : slab.tags) {}

  void release(Cache& cache, uint32_t carved) const {
    cache.carved.fetch_sub(carved, std::memory_order_relaxed);
    note_last_payer(granule, granules, context ? context : cache.payer);
    arena.page_map.set(granule, granules, 0, 0);
    if (tags) arena.page_map.set_tag_place(granule, {});
    // At the hardened level of the links of its free objects.
    const bool clear = cache.isolated || arena.hardened;
    WaitingSlabs* const waiting = waiting_of(cache);
    // Of a slab whose constructors have all thrown no reader knows.
    if (waiting != nullptr && carved != 0) {
      hand_to(*waiting, cache, carved, clear);
    } else {
      release_run(granule, granules, clear);
      if (context) uncharge(*context, granules * kGranuleSize);
      release_beside(cache, tags);
      pay_for_free_pages(granules * kGranuleSize);
    }
    // Release: who sees that none is left, and takes the descriptors, comes after all who had objects of them.
    cache.slabs.fetch_sub(1, std::memory_order_release);
  }

private:
  // The run, its charge and its tags stay until readers have gone.
  void hand_to(WaitingSlabs& waiting, const Cache& cache, uint32_t carved, bool clear) const {
    WaitingSlab& record = *WaitingSlab::of(tags);
    record.context = context;
    record.record_bytes = beside_bytes(cache);
    record.granule = granule;
    record.granules = granules;
    record.carved = static_cast<uint16_t>(carved);
    record.tagged = cache.has_tags();
    record.clear = clear;
    waiting.add(record);
  }
};

}  // namespace tenure
