// Room allocator/slabs: objects of one class in runs. It calls pages, and hooks for new runs and their charges. It promises that a
// slab's free objects and its state agree at every instant.
//
// Slabs and the descriptors of runs.
#pragma once

#include <atomic>
#include <cstdint>

#include "allocator/pages/config.h"
#include "allocator/pages/hole_map.h"
#include "allocator/pages/page_map.h"
#include "allocator/slabs/slab_state.h"
#include "base/memory/os_memory.h"
#include "base/words/chain_word.h"
#include "base/words/tagged_stack.h"

namespace tenure {

class Cache;
class AccountingContext;

// kStashed: a large object that was freed and whose run is kept as it is (run_stash.h).
enum class RunKind : uint8_t { kNone, kSlab, kLarge, kStashed };

// Whether a slab is of the pool, and so has tags. kQuick: restartable sequences serve it (pool_path.h).
enum class Pooling : uint8_t { kNone, kPooled, kQuick };

// The description of a run of granules. Descriptors are numbered from 1, lie outside the arena and are recycled but never unmapped.
// All fields but `state` and `next` are written by the run's one owner before its entries are set, and constant then (a large
// object's lengths: changed by whoever holds the object, in realloc).
struct alignas(64) RunDescriptor {
  std::atomic<SlabState> state;  // Slabs: see slab_state.h.
  std::atomic<uint64_t>
      next;      // Link of the stack it is on: a cache's slabs, or unused descriptors.
  Cache* cache;  // Slabs
  uint32_t granule;
  uint32_t granules;
  uint32_t object_size;  // Slabs
  union {
    uint32_t reciprocal;  // Slabs: ceil(2^32 / object_size)
    uint32_t sample;      // Large objects: number of the sample; 0: none (sampled_objects.h).
  };
  uint16_t capacity;  // Slabs
  RunKind kind;
  Pooling pooling;  // Slabs
  bool fresh;       // Slabs: the run's memory was never touched before.
  union {
    bool moved;   // Large objects: lies in a mapping of its own since its pages were moved there.
    uint8_t age;  // Slabs: holes.h. Atomic, relaxed: a heuristic.
  };
  union {
    bool resized;    // Large objects: realloc has changed its length where it lies.
    bool collected;  // Slabs: pages of it may return while it lives (holes.h).
  };
  bool isolated;  // Must be cleared before another tenant can see it.
  union {
    uint64_t large_bytes;  // Large objects: usable bytes.
    // Slabs that are collected: the pages that have returned. Written by whoever has taken the holes out of `state`, which orders it.
    // Atomic, relaxed: statistics read it at any time.
    PageBits purged;
    // Slabs of the pool: who pays for each object (pool.h). Slabs of sampled objects: behind that, the samples (sampled_objects.h).
    std::atomic<uint32_t>* tags;
  };
  // Holds the run's charge. nullptr: nobody pays for the run, but for objects in it (pool.h; Cache::payer), or the root's own.
  AccountingContext* context;

  bool pooled() const { return pooling != Pooling::kNone; }
};
static_assert(sizeof(RunDescriptor) == 64);
static_assert(std::atomic<SlabState>::is_always_lock_free);

// Links of stacks of descriptors; nodes are their numbers.
struct DescriptorLinks {
  static uint64_t load(uint64_t node);
  static void store(uint64_t node, uint64_t next);
};
using DescriptorStack = TaggedStack<DescriptorLinks>;

class DescriptorTable {
public:
  constexpr DescriptorTable() = default;
  void adopt(void* base, size_t bytes, bool mapped = true) {
    range_.adopt(base, bytes, kPageSize, mapped);
  }
  void give_up_unused() { range_.give_up_unused(); }

  RunDescriptor& at(uint32_t number) const {
    return reinterpret_cast<RunDescriptor*>(range_.base())[number];
  }
  // 0 where the system's memory is exhausted.
  uint32_t allocate();
  void release(uint32_t number);
  uint32_t end() const { return next_.load(std::memory_order_acquire); }

private:
  os::GrowingRange range_;
  std::atomic<uint32_t> next_{1};  // Numbers below it have been used.
  DescriptorStack unused_;
};

// Whether `offset` bytes into the slab an object starts, and which: the index is exact for offsets below 2^18 (Lemire, "Faster remainder by
// direct computation", 2019).
struct ObjectIndex {
  uint32_t index;
  bool exact;
};
inline ObjectIndex object_index(const RunDescriptor& slab, uint64_t offset) {
  const uint32_t index = static_cast<uint32_t>(offset * slab.reciprocal >> 32);
  return {index, uint64_t{index} * slab.object_size == offset};
}

char* slab_base(const RunDescriptor& slab);
// The free list of a slab in this state.
ChainWord free_chain(const Cache& cache, char* base, SlabState state);
// The slab, which is to be listed again, has something to give: puts it on the list of its cache where it belongs.
void list_slab(Cache& cache, uint32_t number, SlabState state);

struct Remains;  // slab_remains.h
// After objects came back to the slab: its memory goes if it died, else it is listed if it was not. Returns whether it died.
bool settle_slab(Cache& cache, uint32_t number, const Remains& remains, SlabState before,
                 SlabState after);
// Of the pools' slabs of one granule; else none.
TagPlace tag_place_of(const RunDescriptor& slab);

// Makes a slab for the cache, with the first `count` objects carved for the caller, returned as a chain. Closed word where memory
// is exhausted.
ChainWord create_slab(Cache& cache);
// All free objects of one partial slab, or a page's worth of one never used, or of one that has returned. Closed word if there is none.
ChainWord take_from_partial(Cache& cache);
// Gives a chain of objects, of this cache but any slabs, back to their slabs. A slab that becomes empty goes back to the page
// heap. Returns how many slabs did. Aborts on a pointer that is no object of the cache.
uint32_t give_to_slabs(Cache& cache, ChainWord chain);
// The same for the first `most` objects of the chain, which are taken off `most`. Adds the slabs that became empty to `emptied`. Returns
// the rest of the chain.
ChainWord give_some_to_slabs(Cache& cache, ChainWord chain, size_t& most, uint32_t& emptied);

}  // namespace tenure
