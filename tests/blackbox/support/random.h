#pragma once

#include <stddef.h>
#include <stdint.h>

namespace blackbox {

inline uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

// SplitMix64: one word of state, so a signal handler may carry one of its own.
class Random {
public:
  constexpr explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15u); }
  // In [0, bound); bound > 0.
  uint64_t below(uint64_t bound) { return next() % bound; }
  bool one_in(uint64_t count) { return below(count) == 0; }

  // Sizes as programs have them: mostly small, some near powers of two (where classes end), now and
  // then up to `limit`.
  size_t size(size_t limit) {
    unsigned widest = 64 - unsigned(__builtin_clzll(limit | 1));
    unsigned width = unsigned(below(widest + 1));
    unsigned other = unsigned(below(widest + 1));
    if (other < width && !one_in(4)) width = other;
    size_t top = size_t(1) << (width < 63 ? width : 62);
    size_t value = one_in(4) ? top + below(33) - 16 : top / 2 + below(top);
    if (value > limit + 1024)  // `top - 16` may have wrapped
      value = below(17);
    return value < limit ? value : limit;
  }

private:
  uint64_t state_;
};

}  // namespace blackbox
