#pragma once

#include <vector>

namespace blackbox {

// From now on these system calls of this process (and what it becomes by exec) fail with an error, by a
// seccomp filter. False where filters are not to be had.
bool refuse_system_calls(const std::vector<int>& calls, int error);

// From now on every system call but these ends the process: SIGSYS, whose handler writes the call's number and exits with kTrapped. Set by prctl, as
// programs do. False where filters are not to be had.
constexpr int kTrapped = 99;
bool trap_all_but(const std::vector<int>& calls);

}  // namespace blackbox
