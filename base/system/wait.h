// Waiting for an event of unbounded duration that the program controls, by looking from time to time. Nothing signals such an event.
#pragma once

#include <sched.h>

#include "base/system/system_calls.h"

namespace tenure {

// Waits between two looks. `looks` is their number so far.
inline void wait_before_look(unsigned looks) {
  constexpr timespec kPause{0, 200'000};
  if (looks < 16) {
    sched_yield();
  } else {
    sys::sleep(kPause);
  }
}

}  // namespace tenure
