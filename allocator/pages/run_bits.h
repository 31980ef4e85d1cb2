// Runs of set bits in a chunk's word.
#pragma once

#include <cstdint>

namespace tenure {

// Bit i of the result: the `length` bits from i on are all set in `bits`.
constexpr uint64_t run_starts(uint64_t bits, unsigned length) {
  unsigned have = 1;
  while (have < length) {
    const unsigned step = have < length - have ? have : length - have;
    bits &= bits >> step;
    have += step;
  }
  return bits;
}
static_assert(run_starts(0b1110111, 3) == 0b0010001);
static_assert(run_starts(~0ULL, 64) == 1);

// log2 of the longest run of set bits, or -1 if there is none.
constexpr int longest_run_order(uint64_t bits) {
  int order = -1;
  for (unsigned length = 1; bits != 0; length *= 2) {
    ++order;
    if (length == 64) break;
    bits &= bits >> length;  // From runs of `length` to runs of 2 * length.
  }
  return order;
}

}  // namespace tenure
