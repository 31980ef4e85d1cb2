// Grace periods (RCU): readers mark their accesses by read sections. A writer that has unpublished an object learns when every section that
// may still see the object has ended. No function here takes a lock, allocates, or registers threads.
//
// Read side: two banks of counters ("entered" and "left", spread over slots against contention). A section adds 1 to entered of the bank
// that the phase names, and 1 to left of the same bank at its end. There is no registration, so a section works from the first instruction
// of a thread to its last, in signal handlers, and on the slow paths of malloc itself. docs/decisions/005 says why this is not liburcu,
// which registers threads.
//
// Write side: the phase counts flips of the bank. Any thread may flip the phase from p to p + 1 while the bank that p does not use is
// empty. Only that step tests a bank, and the step never waits. Three flips after start_poll() have looked at both banks (the idea is the
// kernel's SRCU).
//
// Proof that poll() is right, with acquire and release alone:
//  1. start_poll() is a read-modify-write of the phase at p, so it happens before the flip p ->
//     p+1, hence before every read of p+1 or later. The flips p+1 -> p+2 and p+2 -> p+3 read those
//     values first and then looked at one bank each: both looks come after the unpublishing.
//  2. A look reads every left, then every entered, the latter by a read-modify-write. For each
//     section and its bank:
//     a. Its increment of entered comes after the look's in that cell's order: then the section
//        reads from the look's release and sees everything unpublished. It cannot hold the
//        object for which start_poll() was called.
//     b. It comes before: the look counted it. The look found sum(left) == sum(entered); every left
//        counted belongs to an entered counted (the left was read first, with acquire), so equality
//        means that this section's left was counted too: the section's end happens before the flip,
//        and so before poll() returns true.
//  3. The bank that a section chose does not matter, however stale the phase was that it read,
//     because both banks were looked at.
// Progress: a new section enters the bank in use (but for one that read the phase and was then delayed past a flip), so the other bank
// drains. A thread that stops inside a section delays grace periods, and so the reuse of memory, and nothing else.
#pragma once

#include <atomic>
#include <cstdint>

namespace tenure::grace {

// Names a grace period. Cookies only grow. Cookie 0 has always passed.
using Cookie = uint64_t;

// A read section for the lifetime of the object. Sections nest. A section costs two atomic additions and never blocks. Async-signal-safe.
// longjmp and pthread_exit must not leave a section, because it would never end.
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

// The grace period that starts now. Once poll() is true for its cookie, every section has ended that may have seen an object that this
// thread unpublished before the call. Lock-free, async-signal-safe.
Cookie start_poll();
// Whether that grace period has passed. The call helps the grace period to pass, and never waits. Lock-free, async-signal-safe.
bool poll(Cookie cookie);
// The same without helping: one load.
bool passed(Cookie cookie);

// Waits for a grace period that starts now. Not for read sections. The caller holds no lock that a thread in a read section may take.
void synchronize();

// In a fork child, before any other thread exists: forgets the sections of the parent's other threads. True if there were any: the fork cut
// off their operations in the middle (and no operation of this thread). Nothing is needed before fork or in the parent. May be called with
// a section of this thread open (fork in a signal handler). Grace periods then start to pass when that section ends. After a second such
// fork inside the same section they never pass: memory is not reused, and synchronize() must not be called.
bool after_fork_child();

}  // namespace tenure::grace
