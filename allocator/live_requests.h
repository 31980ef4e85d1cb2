// Requests that come by the live region (docs/live.md), and looks at the heap for those who read it.
#pragma once

#include "base/attributes.h"
#include "live/request_box.h"

namespace tenure {

// What may be done where requests are served. A slow path of malloc or free takes no lock for which it would wait. Neither it nor the helper runs
// shrinkers, which are the program's.
enum class ServedBy : unsigned char { kMalloc, kHelper, kControl };

TENURE_SLOW void serve_live_requests(ServedBy by);
// On slow paths. One load where there is no region.
inline void poll_live_requests(ServedBy by) {
  if (TENURE_UNLIKELY(live::requests_waiting())) serve_live_requests(by);
}

}  // namespace tenure
