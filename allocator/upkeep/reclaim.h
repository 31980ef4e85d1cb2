// Getting memory back from the levels above the page heap, and from there to the system.
#pragma once

#include <cstddef>

#include "allocator/pages/page_heap.h"
#include "allocator/slabs/cache.h"
#include "allocator/upkeep/process_pressure.h"

namespace tenure {

// The clock of these looks, in milliseconds; never 0. Wraps around.
uint32_t coarse_ms();
// Whether a time that was set at most `most` ahead is yet to come. A process may have been idle for longer than half the clock's
// circle, so what seems to lie further ahead has passed.
constexpr bool is_ahead(uint32_t due, uint32_t now, uint32_t most) { return due - now - 1 < most; }
// From one time to another. Another thread's clock may be ahead by a tick or two.
constexpr uint32_t elapsed_ms(uint32_t began, uint32_t now) {
  return is_ahead(began, now, 1000) ? 0 : now - began;
}

// Gives everything cached back to slabs, and free pages to the system. Returns the bytes that went back to the system.
size_t trim();
// The same, and pages of slabs that live.
size_t trim_all();

}  // namespace tenure
