// Room base/stack: return addresses. It calls base/words and base/system. It promises no allocation and no lock, so that a signal
// handler may walk the stack of a thread that was inside it.
//
// The calls that led to the one under way on this thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

// Writes where these calls return to, the innermost first, at most `most` of them; those inside the object that this function is linked
// into are left out at the start, unless that is the program. Returns how many.
//
// By the tables that compilers write for exceptions (frame_rules.h); in code that has none, such as a just-in-time compiler's, by
// frame pointers as long as they lead up the stack. Allocates nothing, takes no lock, keeps errno: for signal handlers and fork
// children, and for stacks of coroutines.
size_t walk_stack(const void** frames, size_t most);

// Code may be another's from now on: what is known of addresses is forgotten. Before and after an object is unloaded.
void forget_frame_rules();

}  // namespace tenure
