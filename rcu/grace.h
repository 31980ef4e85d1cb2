// Grace periods: readers mark what they do in read sections; a writer that has unpublished
// something learns when every section that may still see it has ended. Nothing here takes a lock,
// allocates, or knows threads.
//
// Read side: two banks of counters ("entered" and "left", spread over slots against contention). A
// section adds 1 to entered of the bank that the phase names, and 1 to left of the same bank at its
// end. There is no registration, so a section works from the first instruction of a thread to its
// last, in signal handlers, and on the slow paths of malloc itself. Why not by
// liburcu, which registers threads: docs/decisions/005.
//
// Write side: the phase counts flips of the bank. Anyone may flip it from p to p + 1 while the bank
// that p does not use is empty; only that step ever tests a bank, and it never waits. Three flips
// after start_poll() have looked at both banks (the idea is the kernel's SRCU).
//
// Proof that poll() is right, with acquire and release alone:
//  1. start_poll() is a read-modify-write of the phase at p, so it happens before the flip p ->
//     p+1, hence before whoever read p+1 or later. The flips p+1 -> p+2 and p+2 -> p+3 read those
//     values first and then looked at one bank each: both looks come after the unpublishing.
//  2. A look reads every left, then every entered, the latter by a read-modify-write. For each
//     section and its bank:
//     a. Its increment of entered comes after the look's in that cell's order: then the section
//        reads from the look's release and sees everything unpublished. It cannot hold what
//        start_poll() was called for.
//     b. It comes before: the look counted it. The look found sum(left) == sum(entered); every left
//        counted belongs to an entered counted (the left was read first, with acquire), so equality
//        means that this section's left was counted too: the section's end happens before the flip,
//        and so before poll() returns true.
//  3. Which bank a section chose, however stale the phase it read, does not matter, as both were
//     looked at.
// Progress: a new section enters the bank in use (but for one that read the phase and was then
// delayed past a flip), so the other bank drains. A thread stopped inside a section delays grace
// periods, that is the reuse of memory, and nothing else.
#pragma once

#include <atomic>
#include <cstdint>

namespace tenure::grace {

// Names a grace period. Cookies only grow; 0 has always passed.
using Cookie = uint64_t;

// A read section, for the scope of the object. Nests. Never blocks; two atomic additions. Async-signal-safe.
// Must not be left by longjmp or pthread_exit (it would never end).
class ReadSection {
public:
  ReadSection();
  ~ReadSection();
  ReadSection(const ReadSection&) = delete;
  ReadSection& operator=(const ReadSection&) = delete;

private:
  std::atomic<uint64_t>* left_;  // The counter to add to at the end.
};

// Whether this thread is in a read section (for assertions).
bool in_read_section();

// The grace period that starts now: once poll() is true for it, every section that may have seen
// what this thread unpublished before the call has ended. Lock-free, async-signal-safe.
Cookie start_poll();
// Whether that grace period has passed. Helps it along; never waits. Lock-free, async-signal-safe.
bool poll(Cookie cookie);
// The same without helping: one load.
bool passed(Cookie cookie);

// Waits for a grace period that starts now. Not in a read section; holding no lock that a section's
// owner may want.
void synchronize();

// In a fork child, before any other thread exists: the sections of the parent's other threads are
// gone. True if there were any: what they were doing was cut off in the middle (and nothing of this
// thread's was). Nothing is needed before fork or in the parent. May be called with a section of this thread
// open (fork in a signal handler): grace periods then start to pass when it ends; after a second
// such fork inside the same section they never do (memory is then not reused, and synchronize()
// must not be called).
bool after_fork_child();

}  // namespace tenure::grace
