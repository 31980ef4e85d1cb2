#pragma once

#include <stdlib.h>
#include <time.h>

namespace blackbox {

inline double now_seconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

// Tests bounded by time last TENURE_TEST_SCALE times as long as by default.
inline double scaled(double seconds) {
  const char* scale = getenv("TENURE_TEST_SCALE");
  double factor = scale == nullptr ? 1 : atof(scale);
  return seconds * (factor > 0 ? factor : 1);
}

class Deadline {
public:
  explicit Deadline(double seconds) : end_(now_seconds() + seconds) {}
  bool passed() const { return now_seconds() >= end_; }

private:
  double end_;
};

inline void sleep_seconds(double seconds) {
  timespec time = {time_t(seconds), long((seconds - double(time_t(seconds))) * 1e9)};
  nanosleep(&time, nullptr);
}

}  // namespace blackbox
