// Pages that return to the system out of slabs that live. hole_map.h says which pages can, and slab_state.h how holes are counted.
//
// A *collector* takes everything that is free in a slab, by one compare-and-swap, so that no link lies in a free object any more. The
// pages without a live object return; objects that overlap one become holes; the others go back to the free list. It needs no place on
// a list of the cache: a refill that comes by meanwhile finds a slab with nothing to give. A refill that finds no free list
// takes all holes, makes objects of some pages' worth of them, and gives the rest back.
//
// A slab is visited in turn (allocator/upkeep/idle_slabs). Its age says what happened since: kUsed, a refill took objects from it;
// kVisited, none did; above, how much of it was free when it was collected, which is repeated only when that is an eighth more.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocator/slabs/slab.h"
#include "base/words/chain_word.h"

namespace tenure {

// Slabs with tags have no place for the map of pages. Constructed objects stay as they are, and objects of type-safe caches are read after
// their free.
bool may_collect(const Cache& cache);

enum SlabAge : uint8_t { kUsed, kVisited, kCollectedOnce };

// By a refill.
inline void note_use(RunDescriptor& slab) {
  if (slab.age != kUsed) std::atomic_ref(slab.age).store(kUsed, std::memory_order_relaxed);
}

// Visits a slab: the bytes of its free list where it is worth a collection and, with kIdle, was visited before and not used since.
// Else 0. A stale number is read as whatever it is by now.
enum class VisitKind : uint8_t { kIdle, kAtOnce };
size_t bytes_to_collect(uint32_t number, VisitKind kind);
// Collects the slab; returns how many bytes went to the system. At least `least_pages` of it, or none. Lock-free. In a read section, which
// keeps its cache.
size_t collect_slab(uint32_t number, uint32_t least_pages);

// A refill: `before` is the state of the slab whose holes the caller has taken. `placed`: the caller also holds its place on a list.
ChainWord fill_holes(Cache& cache, uint32_t number, SlabState before, bool placed);

// Bytes that one slow step makes available where memory has to be faulted in.
size_t carve_bytes(const Cache& cache);
// Growing caches fault their pages in together, which halves the cost of each.
void prefault_pages(void* start, size_t bytes);

}  // namespace tenure
