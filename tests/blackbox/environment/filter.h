#pragma once

#include <vector>

namespace blackbox {

// From now on these system calls of this process (and what it becomes by exec) fail with an error, by a
// seccomp filter. False where filters are not to be had.
bool refuse_system_calls(const std::vector<int>& calls, int error);

}  // namespace blackbox
