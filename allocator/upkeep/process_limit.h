// At the limit on the process (accounting/charge/process_memory.h): what is given back before a request for memory fails.
#pragma once

#include <cstdint>

#include "accounting/charge/process_charge.h"
#include "allocator/hooks.h"

namespace tenure {

// The turn of a request that the limit has refused: its steps, one at each call.
//
//   while (!charge.take(bytes) && turn.make_room()) {}
class LimitTurn {
public:
  LimitTurn(ProcessCharge& charge, Occasion occasion) : charge_(charge), occasion_(occasion) {}

  // Free pages return to the system; caches are emptied; shrinkers run where they may; the policy decides. After each step the charge is tried
  // again. False: it is refused for good. Lock-free and async-signal-safe, as far as shrinkers are.
  bool make_room();
  // After success. Where that has led above `high`, what is cached is given back, once for each crossing.
  void finish();

private:
  enum class Step : uint8_t { kPurge, kTrim, kShrink, kAsk };

  ProcessCharge& charge_;
  const Occasion occasion_;
  Step next_ = Step::kPurge;
  bool begun_ = false;
};

// Charges `bytes` at once, with all steps. False: refused.
bool charge_process(uint64_t bytes, RequestKind kind);

}  // namespace tenure
