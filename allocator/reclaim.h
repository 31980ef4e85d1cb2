// Getting memory back from the levels above the page heap, and from there to the system.
#pragma once

#include <cstddef>

#include "allocator/cache.h"
#include "allocator/page_heap.h"
#include "allocator/process_pressure.h"

namespace tenure {

// A run from the page heap. Before the heap grows, surplus chains go back from the depots to their slabs; where memory is exhausted, all
// cached objects do, and it is tried once more.
// Where it is fresh memory, a look is taken at the pressure of the process.
Run allocate_run(uint32_t granules, uint32_t alignment, Fill fill, Occasion occasion);
// The same for a buffer that is being lengthened, and likely to be again: where there is memory, with room behind it.
Run allocate_growable_run(uint32_t granules, Occasion occasion);
// Gives a run back; with decay_ms=0 its pages return to the system at once. `clear`: nobody may read what it holds.
void release_run(uint32_t granule, uint32_t granules, bool clear = false);

// Called where `bytes` have just become free pages: where the process has no helper that would see to it, what is free beyond
// kFreeKept (or a share of the heap) returns to the system; so many bytes of it, and a stretch more.
void pay_for_free_pages(size_t bytes);

// Gives up to `most` chains of the depots back to slabs; returns how many slabs became empty.
uint32_t flush_depots(Cache& cache, uint32_t most);

// The clock of these looks, in milliseconds; never 0. Wraps around.
uint32_t coarse_ms();
// Whether a time that was set at most `most` ahead is yet to come. A process may have been idle for longer than half the clock's
// circle, so what seems to lie further ahead has passed.
constexpr bool is_ahead(uint32_t due, uint32_t now, uint32_t most) { return due - now - 1 < most; }

// Gives everything cached back to slabs, and free pages to the system. Returns the bytes that went back to the system.
size_t trim();

}  // namespace tenure
