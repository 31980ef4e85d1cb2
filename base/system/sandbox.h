// Whether this process may have a seccomp filter that ends it for a system call that the filter does not list.
//
// Whether a filter lets a call pass can't be asked for without a system call that it may not list. So a process is taken to be filtered from
// the moment the program asks the kernel for a filter, or for what unprivileged programs need before one (api/process/sandbox). From then on the
// library makes only the calls that every allocator needs: mmap, munmap, mprotect, madvise, futex, the clock (which the vDSO has), write. What
// depends on another one is done without (docs/decisions/016-bounds-set-by-the-program.md).
#pragma once

#include <atomic>

namespace tenure {

namespace sandbox_detail {
extern constinit std::atomic<bool> filtered;
}

// Relaxed: a thread learns of a filter that another thread sets as late as it meets the filter itself.
inline bool is_filtered() { return sandbox_detail::filtered.load(std::memory_order_relaxed); }

// False in the child of a vfork and in a thread of a bare clone, which have the thread control block of another thread. Async-signal-safe.
bool is_in_memory_of_its_own();

// Before the program asks for a filter. False where the process was taken to be filtered already, or where the caller is the child of a vfork
// and shares this memory only: then nothing has changed. Async-signal-safe.
bool expect_filter();
// The kernel has refused it.
void expect_no_filter();

}  // namespace tenure
