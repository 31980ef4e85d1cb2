// The ring of the last events in the live region.
#pragma once

#include <cstdint>

#include "live/layout.h"

namespace tenure::live {

struct EventNumbers {
  uint64_t usage, limit, bytes, argument;
};

// Writes an event of the tenant in the slot, which has that id. An event that repeats at one tenant within a tenth of a second is left out,
// so that one tenant at its limit does not push the events of all others out. Lock-free, async-signal-safe, keeps errno.
void show_event(EventKind kind, uint32_t slot, uint32_t id, const EventNumbers& numbers);

// In a fork child's new region.
void start_events_anew();

}  // namespace tenure::live
