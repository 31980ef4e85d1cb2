// Waiting for what lasts as long as the program likes: there is nothing better than to look now and then.
#pragma once

#include <sched.h>

#include "base/system/system_calls.h"

namespace tenure {

// Between two looks; `looks` counts them.
inline void wait_before_look(unsigned looks) {
  constexpr timespec kPause{0, 200'000};
  if (looks < 16) {
    sched_yield();
  } else {
    sys::sleep(kPause);
  }
}

}  // namespace tenure
