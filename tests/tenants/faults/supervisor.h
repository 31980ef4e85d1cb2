#pragma once

#include <atomic>
#include <stddef.h>
#include <vector>

namespace blackbox {

// Which of a thread's system calls fail with ENOMEM: of those in `calls` the ones from number
// `first` (from 1) on, `count` of them.
struct FaultPlan {
  std::vector<int> calls;
  size_t first = 1;
  size_t count = 1;
};

// From now on the plan holds for this thread and those it creates, to the end of the process; a
// helper thread created here decides about each call. False where the system does not offer that.
bool start_faults(const FaultPlan& plan);
// How many of the calls in question there were so far.
size_t calls_seen();

}  // namespace blackbox
