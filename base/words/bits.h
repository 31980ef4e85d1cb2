// Arithmetic on powers of two and bit masks.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace tenure {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr size_t kGiB = 1024 * kMiB;
constexpr size_t kHugePageSize = 2 * kMiB;
constexpr size_t kPageSize = 4 * kKiB;  // The only page size supported.
constexpr size_t kCacheLine = 64;

// Not std::has_single_bit, which is a call where the instruction set has no popcnt.
constexpr bool is_power_of_two(uint64_t x) { return x != 0 && (x & (x - 1)) == 0; }

// `to` must be a power of two.
constexpr uint64_t round_up(uint64_t x, uint64_t to) { return (x + to - 1) & ~(to - 1); }
constexpr uint64_t round_down(uint64_t x, uint64_t to) { return x & ~(to - 1); }
constexpr uint64_t divide_up(uint64_t x, uint64_t by) { return (x + by - 1) / by; }

// floor(log2(x)); x must not be 0.
constexpr unsigned log2_floor(uint64_t x) { return 63 - std::countl_zero(x); }
constexpr unsigned log2_ceil(uint64_t x) { return x <= 1 ? 0 : log2_floor(x - 1) + 1; }

// The lowest `count` bits, 0 <= count <= 64.
constexpr uint64_t low_mask(unsigned count) { return count >= 64 ? ~0ULL : (1ULL << count) - 1; }

// Calls f(first, length) for each run of set bits.
template <typename F>
void for_each_run(uint64_t bits, F f) {
  while (bits != 0) {
    const unsigned at = static_cast<unsigned>(std::countr_zero(bits));
    const unsigned length = static_cast<unsigned>(std::countr_one(bits >> at));
    f(at, length);
    bits &= ~(low_mask(length) << at);
  }
}

}  // namespace tenure
