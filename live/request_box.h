// Requests from outside: taking one, and answering it. Who does what is asked is allocator/control/live_requests.
#pragma once

#include <atomic>
#include <cstdint>

#include "live/layout.h"

namespace tenure::live {

// Whether somebody has rung since requests were last looked at. One load where there is no region. Async-signal-safe.
extern constinit std::atomic<bool> region_opened;
bool doorbell_rang();
inline bool requests_waiting() {
  return region_opened.load(std::memory_order_relaxed) && doorbell_rang();
}

// The one thread that serves, for the length of the object. A thread that is stopped meanwhile delays requests and nothing else.
class Serving {
public:
  Serving();
  ~Serving();
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;

  bool is_mine() const { return mine_; }
  // A request, as it was read once: who has asked may write it still. nullptr: none is left. One that has waited for too long is answered.
  const Request* next();
  // Of the one that next() has given last: for live/answer_file.
  uint32_t place() const { return place_; }
  // To the one that next() has given last.
  void answer(int result, uint64_t value);
  // It is for others to serve: it stays, and so does the ring.
  void leave();

private:
  const bool mine_;
  bool left_ = false;
  uint32_t rung_ = 0;
  uint32_t place_ = 0;
  Request copy_ = {};
};

// In a fork child's new region: whoever served is gone.
void start_requests_anew();

// Sleeping on the doorbell, and waking who does. `seen`: from doorbell_word(), before the last look at what else there is to do.
uint32_t doorbell_word();
void sleep_at_doorbell(uint32_t seen, uint32_t ms);
void wake_from_doorbell();
// Whether a helper thread serves requests: for others to read.
void show_helper(bool works);

}  // namespace tenure::live
