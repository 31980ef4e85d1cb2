// A request for memory from the system, as it meets the limit on the process (process_memory.h). It may be tried several times: what is tried
// between two times is above, in allocator/upkeep/process_limit.
#pragma once

#include <cstdint>

#include "accounting/charge/process_memory.h"
#include "accounting/counters/policy.h"

namespace tenure {

class ProcessCharge {
public:
  // `moved`: so many bytes of the process are about to be given back for what is charged here, and may stand beside it above the limit.
  explicit ProcessCharge(RequestKind kind, uint64_t moved = 0) : kind_(kind), moved_(moved) {}

  // Charges the process. False: refused; nothing has changed. Lock-free, async-signal-safe.
  bool take(uint64_t bytes);
  // The last take() was refused.
  bool refused() const { return refused_; }
  // How much has to be given back for the refused request to fit; as much as it asks for where it fits by now.
  uint64_t excess() const;
  // The policy's word on the request; it may end the process. False: refused for good, and counted.
  bool ask_policy();
  Verdict verdict() const;
  // Whether a charge has led above `high` since this was asked last.
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
