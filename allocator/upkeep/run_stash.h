// A few large objects' runs that were freed last on each CPU, kept as they are: with descriptor, page map entry and pages. A program
// that allocates and frees a buffer again and again gets the same one back, for two restartable sequences.
//
// One word for each doubling of the length, from 2 granules to a chunk, and one for all that is longer: at most 4 MiB and one
// run of up to kLongestStashed for each CPU. A stashed run is used memory to the page heap, and dirty memory in statistics. It does
// not count against the peak: before the heap grows, all stashes are emptied, as they are at each look at the decay and by a trim.
//
// Not used with decay_ms=0, nor at the hardened level, where freed memory is to be out of reach.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/pages/config.h"

namespace tenure {

constexpr size_t kLongestStashed = 4 * kMiB;

// The descriptor's number of a run of exactly `granules` at a multiple of `alignment` bytes, as an allocated large object; 0: there
// is none.
uint32_t take_stashed(uint32_t granules, size_t alignment);
// Keeps the run of a large object that is being freed. False: the caller gives it back. Leaves errno alone.
bool stash_run(uint32_t number);

// Gives back what all CPUs have. Another thread that is at it may be left to finish.
void empty_stashes();
// The same where it would let the heap do without growing.
void empty_stashes_before_growth();
// In the child of a fork: finishes what a vanished thread had begun.
void repair_stashes_after_fork();

// Quiescent: nullptr, or what is wrong.
const char* validate_stashes();

}  // namespace tenure
