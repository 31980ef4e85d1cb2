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

// Random numbers in about a nanosecond (xorshift), the same under each allocator.
class Draws {
public:
  explicit Draws(std::uint32_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
  // 0 to bound - 1.
  std::uint32_t below(std::size_t bound) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<std::uint32_t>((state_ >> 32) * bound >> 32);
  }

private:
  std::uint64_t state_;
};

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

// Nanoseconds a step, the median over slices until the time is over; the first slice is not counted.
template <typename Run>
double measure(double seconds, std::size_t steps, Run run) {
  std::vector<double> slices;
  run(steps);
  for (const double end = seconds_now() + seconds; slices.size() < 10 || seconds_now() < end;) {
    const double begin = seconds_now();
    run(steps);
    slices.push_back((seconds_now() - begin) / static_cast<double>(steps) * 1e9);
  }
  return median(slices);
}

// Sizes of objects in rows of mixed sizes: small ones are more frequent, as in programs.
constexpr std::uint32_t kSizes[] = {16,  24,  32,  48,  64,   96,   128,
                                    200, 256, 400, 512, 1000, 2000, 4000};
constexpr std::size_t kSizesUpTo1000 = 12;

inline std::size_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  unsigned long size = 0, resident = 0;
  if (file != nullptr && std::fscanf(file, "%lu %lu", &size, &resident) != 2) resident = 0;
  if (file != nullptr) std::fclose(file);
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace bench
