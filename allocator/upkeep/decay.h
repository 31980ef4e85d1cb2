// Room allocator/upkeep: memory returns to the system. It calls the rooms below, and large objects through the hook. It promises
// that a step is short, and that no memory with a live or listed object returns.
//
// Memory that nobody has used for the decay time (TENURE_DECAY_MS) returns to the system, a little at a time.
//
// A hand goes round all stretches of the page heap, once in two fifths of a decay time. Free pages that it finds are noted; those that
// are still free, and were not used in between, when it comes by again return to the system. So memory goes between two and four
// fifths of a decay time after it was freed, as the hand gets there, and what is used in between is not faulted in again. When a round
// begins, what fronts and depots hold goes to the slabs, but for cold chains that somebody wanted in the last round, so that slabs
// nobody uses become free pages. Slabs that somebody uses return single pages (idle_slabs.h).
//
// The helper thread (helper.h) takes these steps. Where a process has none, slow paths of malloc and free do.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tenure {

// The bounds of one step, and its work: bytes of free pages returned to the system, chains given to slabs, slabs collected
// (idle_slabs.h).
struct DecayWork {
  size_t bytes = 0;
  size_t chains = 0;
  size_t slabs = 0;
  bool behind = false;  // More slabs were due than the bounds allow for.
  bool any() const { return bytes != 0 || chains != 0 || slabs != 0; }
};

// Does what is due at `now` (coarse_ms()), about `most` of it, where a round takes `round_ms` (decay_round_ms()). Lock-free: a thread
// stopped in it keeps the stretch and the chain that it has in hand. Nothing with decay_ms <= 0.
DecayWork take_decay_step(uint32_t now, DecayWork most, uint32_t round_ms);
// Begins a round ahead of time.
void hurry_decay(uint32_t now);
// How long a round takes, in milliseconds; 0: there are none.
uint32_t decay_round_ms();

// A thread that works out of its fronts comes by no slow path. So where there is no helper, and much free memory to return, the fronts are
// *watched*: every list that malloc pops from is closed at its end (close_at_end()), so that the section cannot swap the lists of the class
// (rcu/rseq_ops.h), and each list costs a slow step, which looks at the clock. Lists are short for a program that comes by seldom,
// and longer for one that comes by often. Relaxed: a list installed by an old look puts off that until the next round of the decay.
extern constinit std::atomic<bool> fronts_watched_flag;
inline bool fronts_watched() { return fronts_watched_flag.load(std::memory_order_relaxed); }
// How many objects a list may have.
uint32_t watched_length();
// Begins or ends that.
void watch_fronts_where_needed();

// Called on slow paths: takes a step where the process has no helper. At most one each tick of the coarse clock, some 200 us long.
void poll_decay();

}  // namespace tenure
