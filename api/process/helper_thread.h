// Starting the helper thread (allocator/upkeep/helper.h), where TENURE_HELPER wants one.
#pragma once

namespace tenure {

// Starts the helper unless there is one or none is wanted: at the end of control operations that succeeded, after a thread was made,
// and when the library is loaded; no lock held. Where it cannot be started, the next such occasion tries again. Keeps errno. Never
// from malloc.
void start_helper();

}  // namespace tenure
