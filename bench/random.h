// Random numbers for benchmarks: xorshift64*, about a nanosecond a number, the same for every allocator.
#pragma once

#include <cstdint>

namespace bench {

class Random {
public:
  explicit Random(std::uint64_t seed = 0) : state_((seed + 1) * 0x9E3779B97F4A7C15u) {}
  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1Du;
  }
  std::uint32_t below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
  }
  // Small sizes are common and large ones rare: each doubling of `low` is half as likely.
  std::uint32_t skewed(std::uint32_t low, std::uint32_t high) {
    std::uint32_t size = low;
    for (std::uint64_t coins = next(); size < high && (coins & 1); coins >>= 1) size *= 2;
    size += below(size);
    return size < high ? size : high;
  }

private:
  std::uint64_t state_;
};

}  // namespace bench
