#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/blackbox/support/random.h"

namespace blackbox {

inline constexpr size_t kNoMismatch = ~size_t(0);

// Calls visit(offset, length) for the parts of an object that carry its pattern: everything of a small
// one, both ends and a word of each page of a large one. Offsets are multiples of 8.
template <typename Visitor>
void pattern_parts(size_t size, Visitor visit) {
  constexpr size_t kWhole = 8192, kEnd = 512, kStep = 4096 - 8;
  if (size <= kWhole) {
    visit(size_t(0), size);
    return;
  }
  visit(size_t(0), kEnd);
  size_t tail = (size - kEnd) & ~size_t(7);
  for (size_t offset = kStep; offset + 8 <= tail; offset += kStep) visit(offset, size_t(8));
  visit(tail, size - tail);
}

inline uint64_t pattern_word(uint64_t seed, size_t offset) {
  return (seed | 1) * (offset / 8 + 0x9e3779b97f4a7c15u);
}

inline void fill_pattern(void* object, size_t size, uint64_t seed) {
  char* bytes = static_cast<char*>(object);
  pattern_parts(size, [&](size_t offset, size_t length) {
    for (; length > 0;) {
      uint64_t word = pattern_word(seed, offset);
      size_t step = length < 8 ? length : 8;
      memcpy(bytes + offset, &word, step);
      offset += step;
      length -= step;
    }
  });
}

// The offset of the first wrong word among those below `limit` (for objects that grew or shrank since
// they were filled with `size` bytes), or kNoMismatch.
inline size_t find_mismatch(const void* object, size_t size, uint64_t seed,
                            size_t limit = kNoMismatch) {
  const char* bytes = static_cast<const char*>(object);
  size_t wrong = kNoMismatch;
  pattern_parts(size, [&](size_t offset, size_t length) {
    for (; length > 0 && offset < limit && wrong == kNoMismatch;) {
      uint64_t word = pattern_word(seed, offset);
      size_t step = length < 8 ? length : 8;
      size_t visible = limit - offset < step ? limit - offset : step;
      if (memcmp(bytes + offset, &word, visible) != 0) wrong = offset;
      offset += step;
      length -= step;
    }
  });
  return wrong;
}

inline bool is_zero(const void* object, size_t size) {
  const char* bytes = static_cast<const char*>(object);
  return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

}  // namespace blackbox
