// Geometry of the arena.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/words/bits.h"

namespace tenure {

// Unit of the page heap and of the page map.
constexpr unsigned kGranuleShift = 15;
constexpr size_t kGranuleSize = size_t{1} << kGranuleShift;  // 32 KiB
// One 64-bit word of granules: a 2 MiB chunk, which is a huge page.
constexpr unsigned kChunkGranules = 64;
constexpr size_t kChunkSize = kChunkGranules * kGranuleSize;
static_assert(kChunkSize == 2 * kMiB);

// Every object is aligned to this, even of 1 byte, as glibc's users rely on.
constexpr size_t kMinAlignment = 16;
// Largest object that comes from a slab; larger ones are runs of granules.
constexpr size_t kLargestSmall = 32 * kKiB;
// Largest request: beyond it differences of pointers overflow, and POSIX wants ENOMEM.
constexpr size_t kLargestRequest = PTRDIFF_MAX;

constexpr uint32_t granules_for(size_t bytes) {
  return static_cast<uint32_t>(divide_up(bytes, kGranuleSize));
}

}  // namespace tenure
