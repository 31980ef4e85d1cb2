// A fence for restartable sequences: when it returns, every critical section that was running on any CPU of this process
// when it was called has committed or been aborted. Together with lookups inside the sections it is a grace
// period for the fast path.
#pragma once

namespace tenure {

// Registers the process for the fence (membarrier, Linux 5.10). False where the kernel or a filter refuses.
bool cpu_fence_register();

// False where the fence could not be had any more (a seccomp filter installed later, base/system/sandbox.h): nothing may then be
// concluded. Costs 0.13 us in a single-threaded process, some 10 us with busy peers. Async-signal-safe.
bool cpu_fence();

}  // namespace tenure
