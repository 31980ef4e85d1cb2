// The heap's one instance of each structure, and what the fast path reads.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocator/pages/page_heap.h"
#include "allocator/pages/page_map.h"
#include "allocator/slabs/cache.h"
#include "allocator/slabs/slab.h"
#include "base/options/settings.h"

namespace tenure {

// One cache line and a table, constant after bootstrap but for arena_units. Before bootstrap every value sends the fast path to its slow
// way: no size is <= an exclusive limit of 0, and no address lies in an arena of length 0.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): what is read together is in one line.
struct alignas(64) HotState {
  // Requests below this many bytes try the current CPU's front; 0 before bootstrap, and where fronts are not
  // used by plain code (no rseq, hardened).
  uint64_t front_sizes = 0;
  char* cpu_base = nullptr;  // Per-CPU area of CPU 0.
  ptrdiff_t rseq = 0;        // The rseq area, from the thread pointer.
  uint64_t arena_base = 0;
  uint64_t arena_units = 0;  // Committed arena in units of 16 bytes; rises only, by atomic_raise.
  GranuleEntry* entries = nullptr;
  // Read by the way of pooled objects besides (pool_path.h); constant.
  RunDescriptor* descriptors = nullptr;
  uint64_t meta_base = 0;
  alignas(64) const TagPlace* tag_places = nullptr;
  uint32_t pool_front = 0;
  alignas(64) std::array<PooledClass, kClassCount + 1> pooled_classes = make_pooled_classes();
  // Here, and not a constant elsewhere, so that one address serves all of the fast path.
  alignas(64) std::array<uint16_t, kSizeSteps> slot_of_size = make_slot_of_size();
};
extern constinit HotState hot;

struct Arena {
  PageMap page_map;
  PageHeap page_heap;
  DescriptorTable descriptors;
  Settings settings;  // Constant after bootstrap.
  bool rseq;          // Fronts are used through rseq.
  bool own_rseq;      // Threads are registered by the library, at their first slow step.
  bool hardened;
  uint64_t bytes;         // Reserved for the arena: more than any request can get.
  uint32_t cpus;          // Possible CPUs.
  uint32_t shared_areas;  // Areas behind theirs, for threads without rseq.
};
extern constinit Arena arena;

// Caches of the root tenant, by class.
extern constinit Cache root_caches[kClassCount];

// Granule of an address, or kNoGranule outside the committed arena.
inline uint32_t granule_of(const void* p) {
  const uint64_t offset = reinterpret_cast<uint64_t>(p) - hot.arena_base;
  if (offset / kMinAlignment >= std::atomic_ref(hot.arena_units).load(std::memory_order_relaxed))
    return kNoGranule;
  return static_cast<uint32_t>(offset >> kGranuleShift);
}

// Whether the word's pointer, if it has one, can be an object's. A word written over a link after its object's free
// mostly leads out of the arena.
inline bool is_plausible(ChainWord word) {
  const void* const object = first_object(word);
  return object == nullptr || is_sentinel(word) ||
         (granule_of(object) != kNoGranule &&
          reinterpret_cast<uint64_t>(object) % kMinAlignment == 0);
}
// Whether `rest` can be what stands behind the first object of `word`, also where it was overwritten.
inline bool is_rest(ChainWord rest, ChainWord word) {
  return follows(rest, word) && is_plausible(rest);
}

}  // namespace tenure
