// From nothing to a heap.
#pragma once

#include "allocator/pages/layout.h"

namespace tenure {

// Sets the heap up if that has not been done. Any number of threads, and signal handlers, may run it at once: each reserves
// address space, one atomic word decides whose is used, and all of them then write the same values. False where no address space is to be
// had.
bool bootstrap();
bool bootstrapped();
const Layout& heap_layout();

// The address space of the program has got a limit: what is reserved and not used is given back. Growth meets the limit from now on.
// Lock-free, async-signal-safe.
void bound_heap();

}  // namespace tenure
