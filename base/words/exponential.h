// Random distances between the points of a Poisson process.
#pragma once

#include <bit>
#include <cstdint>

namespace tenure {

// SplitMix64 (Steele, Lea and Flood, 2014): `state` advances by a constant, so threads that advance it with fetch_add draw different
// numbers.
constexpr uint64_t kRandomStep = 0x9e3779b97f4a7c15;
constexpr uint64_t mix_random(uint64_t state) {
  state = (state ^ state >> 30) * 0xbf58476d1ce4e5b9;
  state = (state ^ state >> 27) * 0x94d049bb133111eb;
  return state ^ state >> 31;
}

// The natural logarithm of a positive normal number, to 1e-12. libm is no part of libc.
constexpr double natural_log(double x) {
  const auto bits = std::bit_cast<uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xfffffffffffff) | uint64_t{1023} << 52);
  if (m > 1.4142135623730951) {
    m /= 2;
    ++exponent;
  }
  // ln m = 2 artanh t, |t| <= 0.172: the terms fall by a factor of 30.
  const double t = (m - 1) / (m + 1), square = t * t;
  // By constants, so that the one division is that of t.
  double sum = 1.0 / 15;
  for (const double term : {1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1.0})
    sum = sum * square + term;
  return 2 * t * sum + exponent * 0.6931471805599453;
}

// The probability that an interval of `length` has a point of a Poisson process with one point in `mean` on average: 1 - exp(-length / mean),
// to 1e-9 of it.
constexpr double probability_of_point(double length, double mean) {
  const double x = length / mean;
  if (x > 40) return 1;
  // 1 - exp(-x) by the series for x / 1024; then 1 - (1 - p)^2 ten times.
  const double y = x / 1024;
  double p = y * (1 - y / 2 * (1 - y / 3 * (1 - y / 4 * (1 - y / 5))));
  for (int i = 0; i < 10; ++i) p = p * (2 - p);
  return p;
}

// Exponentially distributed with the mean given, rounded up: at least 1. `random`: 64 random bits.
constexpr int64_t exponential(uint64_t random, double mean) {
  const double uniform = (static_cast<double>(random >> 11) + 0.5) * 0x1p-53;
  return static_cast<int64_t>(-natural_log(uniform) * mean) + 1;
}

}  // namespace tenure
