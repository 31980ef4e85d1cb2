// The part of a tenant's memory that reclaim must not take: min and low as in cgroup v2. Pure functions.
//
// A setting protects the tenant's usage up to the setting, but no more than the parent's own protection covers. If the children together
// claim more than that, each gets a share in proportion to its claim.
#pragma once

#include <cstdint>

namespace tenure {

// min(usage, setting): the protection that a node claims from its parent.
constexpr uint64_t claimed_protection(uint64_t usage, uint64_t setting) {
  return usage < setting ? usage : setting;
}

// claim * part / whole, rounded down, for claim <= whole. If the product needs more than 64 bits, it is computed from the leading 32 bits
// of both factors, and may be too low, because a 128-bit division would be a call into libgcc.
constexpr uint64_t proportion(uint64_t claim, uint64_t part, uint64_t whole) {
  uint64_t product = 0;
  if (!__builtin_mul_overflow(claim, part, &product)) return product / whole;
  const auto excess = [](uint64_t value) {
    return value >> 32 == 0 ? 0u : 32u - static_cast<unsigned>(__builtin_clzll(value));
  };
  const unsigned off_claim = excess(claim), off_part = excess(part);
  const uint64_t shortened = whole >> off_claim;
  const uint64_t divisor = shortened + (shortened << off_claim != whole ? 1 : 0);
  return (claim >> off_claim) * (part >> off_part) / divisor << off_part;
}

// `siblings` is the sum of the claims of all the parent's children, this one's included.
constexpr uint64_t effective_protection(uint64_t claim, uint64_t parent_effective,
                                        uint64_t siblings) {
  return siblings <= parent_effective ? claim : proportion(claim, parent_effective, siblings);
}

}  // namespace tenure
