// Whether this process's malloc is the library's own.
#pragma once

namespace tenure {

// False if the library was opened by dlopen beside another malloc. In that case it serves no allocation, and limits would have no effect.
// The first call decides, by a block from the process's malloc; the first call is not for signal handlers.
bool owns_malloc();

}  // namespace tenure
