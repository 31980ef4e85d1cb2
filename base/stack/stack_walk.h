// Room base/stack: return addresses. It calls base/words and base/system. It promises no allocation and no lock, so that a signal
// handler may walk the stack of a thread that was inside it.
//
// The chain of calls on this thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

// Writes the return addresses, the innermost first, at most `most` of them, and returns their number. Frames at the start that lie inside
// the object of this function are left out, unless that object is the program.
//
// The walk uses the tables that compilers write for exceptions (frame_rules.h). In code without tables, such as a just-in-time compiler's,
// it uses frame pointers as long as they lead up the stack. It allocates nothing, takes no lock and keeps errno, so it works in signal
// handlers, in fork children and on stacks of coroutines.
size_t walk_stack(const void** frames, size_t most);

// Forgets all known rules, because addresses may belong to other code from now on. Called before and after an object is unloaded.
void forget_frame_rules();

}  // namespace tenure
