// Emptying the CPU fronts of all CPUs.
#pragma once

namespace tenure {

// Takes what lies in the fronts and gives it back to slabs, by the STOPPED protocol, while others go on. Does nothing if another
// thread is at it, or where the fence is refused.
void drain_fronts();

// In a fork child: opens what a drainer that does not exist any more had stopped.
void repair_fronts_after_fork();

}  // namespace tenure
