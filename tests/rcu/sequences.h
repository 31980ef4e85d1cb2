// Restartable sequences as the mode of the test run has them (cmake/unit_tests.cmake).
#pragma once

#include <stdlib.h>
#include <string.h>

#include "rcu/rseq_abi.h"

namespace tenure {

inline RseqAbi sequences() {
  const char* const use = getenv("TENURE_RSEQ");
  return probe_rseq(use != nullptr && strcmp(use, "off") == 0 ? RseqUse::kOff : RseqUse::kAuto);
}

// For threads of a test: the area's offset, where this thread is registered now if threads are at all.
inline ptrdiff_t joined(const RseqAbi& abi) {
  if (abi.own) rseq_join(abi.offset);
  return abi.offset;
}

}  // namespace tenure
