// Whether this process's malloc is the library's own.
#pragma once

namespace tenure {

// False where the library was opened by dlopen beside another malloc: it serves nobody then, and limits would hold nothing. Decided
// at the first call, by a block from the process's malloc. Not for signal handlers until then.
bool owns_malloc();

}  // namespace tenure
