// A request for memory from the system at the limit on the process (process_memory.h). It may be tried several times.
// allocator/upkeep/process_limit has the steps between two tries.
#pragma once

#include <cstdint>

#include "accounting/charge/process_memory.h"
#include "accounting/counters/policy.h"

namespace tenure {

class ProcessCharge {
public:
  // `moved`: the number of bytes that the process is about to give back in exchange. Until then they may exceed the limit beside the new
  // charge.
  explicit ProcessCharge(RequestKind kind, uint64_t moved = 0) : kind_(kind), moved_(moved) {}

  // Charges the process. False: refused; nothing has changed. Lock-free, async-signal-safe.
  bool take(uint64_t bytes);
  // The last take() was refused.
  bool refused() const { return refused_; }
  // The bytes that have to be given back so that the refused request fits. If it fits by now: the bytes of the request.
  uint64_t excess() const;
  // The policy's decision on the request. It may end the process. False: refused finally, and counted.
  bool ask_policy();
  Verdict verdict() const;
  // Whether a charge has led above `high` since the last call.
  bool crossed_high();

private:
  static uint64_t allowance(const PageCounter& counter, const void* request);

  const RequestKind kind_;
  const uint64_t moved_;
  uint64_t bytes_ = 0;
  bool refused_ = false;
  bool allowed_ = false;  // By the policy.
  bool above_high_ = false;
};

}  // namespace tenure
