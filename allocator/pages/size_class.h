// Size classes: multiples of 16 up to 128, then four to a doubling up to 32 KiB.
//
// Four to a doubling bounds internal waste by 1/5 of the object (20 % worst, about 10 % mean), with few enough classes that a
// small process does not hold a partly filled page for each of many. jemalloc has the same spacing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "allocator/pages/config.h"
#include "base/words/ids.h"
#include "base/words/stock_word.h"

namespace tenure {

constexpr uint32_t kLinearClasses = 8;  // 16, 32, ... 128
constexpr size_t kLinearLimit = kLinearClasses * kMinAlignment;
constexpr uint32_t kClassCount =
    kLinearClasses + 4 * (log2_floor(kLargestSmall) - log2_floor(kLinearLimit));

constexpr size_t class_size(uint32_t index) {
  if (index < kLinearClasses) return (index + 1) * kMinAlignment;
  const uint32_t doubling = (index - kLinearClasses) / 4;
  const uint32_t quarter = (index - kLinearClasses) % 4;
  return (kLinearLimit << doubling) / 4 * (5 + quarter);
}
constexpr size_t class_size(ClassId id) { return class_size(index_of(id)); }

// The smallest class that holds `size` <= kLargestSmall bytes; size 0 gets the smallest class.
constexpr ClassId class_of(size_t size) {
  if (size <= kLinearLimit) {
    return ClassId{static_cast<uint8_t>(size == 0 ? 0 : (size - 1) / kMinAlignment)};
  }
  const unsigned top = log2_floor(size - 1);
  const unsigned quarter = ((size - 1) >> (top - 2)) & 3;
  return ClassId{
      static_cast<uint8_t>(kLinearClasses + 4 * (top - log2_floor(kLinearLimit)) + quarter)};
}

// The size to ask for instead of `size`, so that the object is aligned to `alignment`, a power of two; both <= kLargestSmall. Slabs
// start at granule borders, so the class has to be a multiple of the alignment. The class of a multiple is: between two powers of two
// classes are a quarter of the lower one apart, so either that quarter is a multiple of the alignment, and with it every class, or
// the multiple of the alignment is one of the quarter, and a class itself.
constexpr size_t aligned_size(size_t size, size_t alignment) {
  return ((size - (size != 0)) | (alignment - 1)) + 1;
}

// A CPU front holds two words a class: the list malloc pops from and the list free pushes on.
constexpr uint32_t kSlotSize = 16;
constexpr uint32_t kFreeWord = 8;
constexpr uint32_t kFrontSize = kClassCount * kSlotSize;
// The pool's front in each area; the root's is at kRootFrontOffset.
constexpr uint32_t kPoolFrontOffset = 4096;
constexpr uint32_t slot_in_front(ClassId id) { return index_of(id) * kSlotSize; }

// Slot of the class that serves a size, indexed by (size + 15) / 16: one load on the fast path.
constexpr size_t kSizeSteps = kLargestSmall / kMinAlignment + 1;
constexpr auto make_slot_of_size() {
  std::array<uint16_t, kSizeSteps> table{};
  for (size_t i = 0; i < table.size(); ++i) {
    table[i] = static_cast<uint16_t>(slot_in_front(class_of(i * kMinAlignment)));
  }
  return table;
}

// The facts about a class that the path of pooled objects needs (allocator/heap/pool_path.h). As long as a slot, so that a class's slot leads here, too.
struct alignas(kSlotSize) PooledClass {
  uint32_t reciprocal = 0;  // As in RunDescriptor
  uint32_t object_size = 0;
  uint32_t front = 0;  // The class's slot in the pool's front, from the start of an area.
  uint16_t units = 0;  // An object's cost in units of stock words.
};
static_assert(sizeof(PooledClass) == kSlotSize);
constexpr uint32_t reciprocal_of(size_t size) {
  return static_cast<uint32_t>(divide_up(uint64_t{1} << 32, size));
}
// By the class's number: its index + 1.
constexpr auto make_pooled_classes() {
  std::array<PooledClass, kClassCount + 1> table{};
  for (uint32_t i = 0; i < kClassCount; ++i) {
    const size_t size = class_size(i);
    table[i + 1] = {reciprocal_of(size), static_cast<uint32_t>(size),
                    kPoolFrontOffset + i * kSlotSize,
                    static_cast<uint16_t>(StockWord::units(size))};
  }
  return table;
}

// Most objects in one list of a front: bytes bound what an idle CPU keeps, the count what one slow step is spread over.
constexpr uint16_t front_limit(size_t size) {
  if (size <= 256) return static_cast<uint16_t>(size <= 128 ? 256 : 32 * kKiB / size);
  return static_cast<uint16_t>(size <= 512 ? 128 : 64 * kKiB / size);  // At least 2.
}

// Granules of a slab: the fewest (a power of two times the smallest slab) that waste at most 1/8 behind the last object
// and hold at least 4.
constexpr uint32_t slab_granules(size_t size, uint32_t smallest) {
  uint32_t granules = smallest;
  for (;; granules *= 2) {
    const size_t bytes = granules * kGranuleSize;
    if (bytes / size >= 4 && bytes % size <= bytes / 8) return granules;
  }
}
constexpr uint32_t kLargestSlabGranules = 8;

}  // namespace tenure
