#include "allocator/pages/size_class.h"

#include <gtest/gtest.h>

#include "allocator/slabs/cache.h"

namespace tenure {
namespace {

TEST(SizeClass, SizesRiseAndAreAligned) {
  size_t last = 0;
  for (uint32_t i = 0; i < kClassCount; ++i) {
    EXPECT_GT(class_size(i), last);
    EXPECT_EQ(class_size(i) % kMinAlignment, 0u);
    last = class_size(i);
  }
  EXPECT_EQ(class_size(0u), kMinAlignment);
  EXPECT_EQ(last, kLargestSmall);
}

TEST(SizeClass, EverySizeGetsTheSmallestThatHoldsIt) {
  for (size_t size = 0; size <= kLargestSmall; ++size) {
    const uint32_t index = index_of(class_of(size));
    ASSERT_LT(index, kClassCount) << size;
    ASSERT_GE(class_size(index), size);
    if (index > 0) {
      ASSERT_LT(class_size(index - 1), size) << size;
    }
  }
}

TEST(SizeClass, WasteIsBounded) {
  for (size_t size = kLinearLimit + 1; size <= kLargestSmall; ++size) {
    const size_t given = class_size(class_of(size));
    ASSERT_LT((given - size) * 5, given) << size;
  }
}

TEST(SizeClass, AlignedClassesAreAligned) {
  for (size_t alignment = 1; alignment <= kLargestSmall; alignment *= 2) {
    for (size_t size = 0; size <= kLargestSmall; size += size < 600 ? 1 : 61) {
      const size_t given = class_size(class_of(aligned_size(size, alignment)));
      ASSERT_GE(given, size);
      ASSERT_EQ(given % alignment, 0u) << size << " " << alignment;
      // No smaller class would do.
      for (uint32_t i = index_of(class_of(size)); class_size(i) < given; ++i) {
        ASSERT_NE(class_size(i) % alignment, 0u) << size << " " << alignment;
      }
    }
  }
}

TEST(SizeClass, TableAgreesWithTheFunction) {
  const auto table = make_slot_of_size();
  for (size_t size = 0; size <= kLargestSmall; ++size) {
    ASSERT_EQ(table[(size + kMinAlignment - 1) / kMinAlignment], slot_in_front(class_of(size)))
        << size;
  }
}

TEST(SizeClass, SlotsDoNotOverlap) {
  for (uint32_t i = 0; i < kClassCount; ++i) {
    const uint32_t slot = slot_in_front(ClassId{static_cast<uint8_t>(i)});
    EXPECT_EQ(slot, i * kSlotSize);
    EXPECT_LE(slot + kSlotSize, kFrontSize);
  }
}

TEST(SizeClass, FrontLimitsAreUsable) {
  for (uint32_t i = 0; i < kClassCount; ++i) {
    const uint16_t limit = front_limit(class_size(i));
    EXPECT_GE(limit, 2);
    EXPECT_LE(limit, 256);
    EXPECT_LE(limit * class_size(i), 64 * kKiB);
    if (i > 0) {
      EXPECT_LE(limit, front_limit(class_size(i - 1)));
    }
  }
}

TEST(SizeClass, SlabsAreFullAndIndexable) {
  for (const uint32_t smallest : {1u, 2u, 4u, 8u}) {
    for (uint32_t i = 0; i < kClassCount; ++i) {
      const size_t size = class_size(i);
      const uint32_t granules = slab_granules(size, smallest);
      const size_t bytes = granules * kGranuleSize;
      EXPECT_GE(granules, smallest);
      EXPECT_LE(granules, kLargestSlabGranules);
      EXPECT_TRUE(is_power_of_two(granules));
      EXPECT_GE(bytes / size, 4u);
      EXPECT_LE(bytes % size, bytes / 8);
      EXPECT_LT(bytes / size, UINT16_MAX);
    }
  }
}

// Division by multiplication: every offset of the largest slab, in every class.
TEST(SizeClass, ObjectIndexIsExact) {
  for (uint32_t i = 0; i < kClassCount; ++i) {
    Cache cache;
    cache.init(ClassId{static_cast<uint8_t>(i)}, 0, kLargestSlabGranules);
    RunDescriptor slab{};
    slab.object_size = cache.object_size;
    slab.reciprocal = cache.reciprocal;
    const uint32_t size = cache.object_size;
    uint32_t index = 0, in_object = 0;
    for (uint64_t offset = 0; offset < cache.granules * kGranuleSize; ++offset) {
      const ObjectIndex found = object_index(slab, offset);
      ASSERT_EQ(found.exact, in_object == 0) << size << " " << offset;
      if (found.exact) {
        ASSERT_EQ(found.index, index) << size << " " << offset;
      }
      if (++in_object == size) {
        in_object = 0;
        ++index;
      }
    }
  }
}

}  // namespace
}  // namespace tenure
