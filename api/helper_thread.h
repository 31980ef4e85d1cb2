// Starting the helper thread (allocator/helper.h), where TENURE_HELPER_MS asks for one.
#pragma once

namespace tenure {

// At the end of control operations that succeeded, no lock held: starts the helper unless there is one or none is wanted. Where it
// cannot be started, the next control operation tries again. Keeps errno. Never from malloc, so a program without
// tenants stays as it is.
void start_helper();

// In a fork child, which has no helper: the next control operation there starts one.
void forget_helper_after_fork();

}  // namespace tenure
