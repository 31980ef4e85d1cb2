// Timing in alternating slices: what is compared with each other runs side by side in one process,
// a few milliseconds apart, so that what disturbs the machine disturbs both.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <unistd.h>
#include <vector>

namespace bench {

inline double seconds_now() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

// One line of the result: what tenants.py reads.
inline void report(const char* name, const char* unit, double value) {
  std::printf("%s\t%s\t%.6g\n", name, unit, value);
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

template <typename T>
inline T* escape(T* p) {
  asm volatile("" : "+r"(p) : : "memory");
  return p;
}

// Nanoseconds a step of each, the median over slices that take turns until the time is over.
template <typename First, typename Second>
std::pair<double, double> compare(double seconds, std::size_t steps, First first, Second second) {
  std::vector<double> firsts, seconds_list;
  const auto slice = [steps](auto& run) {
    const double begin = seconds_now();
    run(steps);
    return (seconds_now() - begin) / static_cast<double>(steps) * 1e9;
  };
  slice(first);
  slice(second);
  for (const double end = seconds_now() + seconds; seconds_now() < end;) {
    firsts.push_back(slice(first));
    seconds_list.push_back(slice(second));
  }
  return {median(firsts), median(seconds_list)};
}

inline std::size_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  unsigned long size = 0, resident = 0;
  if (file != nullptr && std::fscanf(file, "%lu %lu", &size, &resident) != 2) resident = 0;
  if (file != nullptr) std::fclose(file);
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace bench
