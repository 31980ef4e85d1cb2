// Starts the helper thread (allocator/upkeep/helper.h), if TENURE_HELPER requests one.
#pragma once

namespace tenure {

// Starts the helper, unless there is one or the settings request none. Called at the end of control operations that succeeded, after a
// thread was made, and when the library is loaded, with no lock held; never from malloc. If the start fails, the next such call tries
// again. Keeps errno.
void start_helper();

}  // namespace tenure
