#include <gtest/gtest.h>

#include "allocator/slabs/cache.h"
#include "allocator/slabs/slab.h"
#include "rcu/rseq_ops.h"

namespace tenure {
namespace {

// Every size that a slab may have objects of, and every offset in its slab. The reciprocal is the one that Cache::init() computes.
TEST(ObjectIndex, ExactForEverySizeAndOffset) {
  constexpr uint32_t kLargest = 32 * 1024;
  static RunDescriptor slab;
  for (uint32_t size = 16; size <= kLargest; size += 16) {
    slab.object_size = size;
    slab.reciprocal = static_cast<uint32_t>(divide_up(uint64_t{1} << 32, uint64_t{size}));
    const uint64_t end = slab_granules(size, 1) * kGranuleSize / size * size;
    uint32_t index = 0, rest = 0;
    uint64_t wrong = 0;
    for (uint64_t offset = 0; offset < end; offset += 16) {
      const ObjectIndex found = object_index(slab, offset);
      wrong += found.index != index || found.exact != (rest == 0);
      if ((rest += 16) == size) {
        rest = 0;
        ++index;
      }
    }
    ASSERT_EQ(wrong, 0u) << "size " << size;
  }
}

// The classes' own reciprocals, as a cache has them.
TEST(ObjectIndex, CachesHaveTheReciprocalOfTheirSize) {
  for (uint32_t i = 0; i < kClassCount; ++i) {
    static Cache cache;
    const ClassId id{static_cast<uint8_t>(i)};
    cache.init(id, kRootFrontOffset, 1);
    static RunDescriptor slab;
    slab.object_size = cache.object_size;
    slab.reciprocal = cache.reciprocal;
    for (uint32_t object = 0; object < cache.capacity; ++object) {
      const uint64_t offset = uint64_t{object} * cache.object_size;
      const ObjectIndex at = object_index(slab, offset);
      ASSERT_TRUE(at.exact && at.index == object) << cache.object_size << " " << object;
      ASSERT_FALSE(object_index(slab, offset + cache.object_size / 32 * 16 + 16).exact &&
                   cache.object_size > 16 && cache.object_size / 32 * 16 + 16 < cache.object_size);
    }
  }
}

}  // namespace
}  // namespace tenure
