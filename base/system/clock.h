// The monotonic clock, which no program can set.
#pragma once

#include <time.h>

#include <cstdint>

namespace tenure {

inline uint64_t monotonic_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace tenure
