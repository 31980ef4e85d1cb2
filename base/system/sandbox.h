// Whether this process may have a seccomp filter that ends the process at a system call that the filter does not list.
//
// The library cannot ask whether a filter lets a call pass, because the question is itself a system call. So a process counts as filtered
// from the moment at which the program asks the kernel for a filter, or for the privilege that unprivileged programs need before a filter
// (api/process/sandbox). From then on the library makes only the calls that every allocator needs: mmap, munmap, mprotect, madvise, futex,
// the clock (which the vDSO has), write. Features that need another call are left out (docs/decisions/016-bounds-set-by-the-program.md).
#pragma once

#include <atomic>

namespace tenure {

namespace sandbox_detail {
extern constinit std::atomic<bool> filtered;
}

// Relaxed: if another thread sets a filter, this thread learns of it no later than it meets the filter itself.
inline bool is_filtered() { return sandbox_detail::filtered.load(std::memory_order_relaxed); }

// False in the child of a vfork and in a thread of a bare clone, which have the thread control block of another thread. Async-signal-safe.
bool is_in_memory_of_its_own();

// Called before the program asks for a filter. False, with nothing changed, if the process counted as filtered already, or if the caller is
// the child of a vfork, which only shares this memory. Async-signal-safe.
bool expect_filter();
// Called when the kernel has refused the filter.
void expect_no_filter();

}  // namespace tenure
