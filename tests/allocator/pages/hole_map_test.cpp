#include "allocator/pages/hole_map.h"

#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "allocator/pages/size_class.h"
#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

bool overlaps(size_t size, uint32_t object, uint32_t page) {
  return object * size < (page + 1) * kPageSize && (object + 1) * size > page * kPageSize;
}
std::set<uint32_t> objects_on(PageBits pages, size_t size, uint32_t carved) {
  std::set<uint32_t> objects;
  for (uint32_t i = 0; i < carved; ++i) {
    for (uint32_t page = 0; page < kMostSlabPages; ++page) {
      if ((pages >> page & 1) && overlaps(size, i, page)) objects.insert(i);
    }
  }
  return objects;
}

// A slab of each class, with whatever is free in it.
class HoleMap : public testing::TestWithParam<uint32_t> {
protected:
  const size_t size_ = class_size(GetParam());
  const uint32_t capacity_ = static_cast<uint32_t>(slab_granules(size_, 1) * kGranuleSize / size_);
  Random random_{GetParam() + 1};

  PageBits some_of(PageBits pages) {
    return pages & (uint64_t{random_.next()} << 32 ^ random_.next());
  }
};

TEST_P(HoleMap, PagesOfAnObjectAreThoseThatItOverlaps) {
  for (uint32_t i = 0; i < capacity_; ++i) {
    const PageBits pages = pages_of_object(size_, i);
    for (uint32_t page = 0; page < kMostSlabPages; ++page)
      ASSERT_EQ((pages >> page & 1) != 0, overlaps(size_, i, page)) << i << " on " << page;
  }
}

TEST_P(HoleMap, OnlyPagesWithoutLiveObjectsReturn) {
  for (int round = 0; round < 20; ++round) {
    const auto carved = 1 + random_.below(capacity_);
    const uint32_t share = random_.below(40);
    std::vector<bool> free(carved);
    for (uint32_t i = 0; i < carved; ++i) free[i] = random_.below(40) >= share;
    const PageBits pages =
        pages_without_live(size_, carved, capacity_, [&](uint32_t i) { return free[i]; });
    for (uint32_t page = 0; page < kMostSlabPages; ++page) {
      uint32_t objects = 0, others = 0;
      for (uint32_t i = 0; i < capacity_; ++i) {
        if (!overlaps(size_, i, page)) continue;
        ++objects;
        others += i >= carved || !free[i];
      }
      ASSERT_EQ((pages >> page & 1) != 0, objects != 0 && others == 0) << "page " << page;
    }
  }
}

TEST_P(HoleMap, HolesAreTheObjectsOnReturnedPages) {
  for (int round = 0; round < 20; ++round) {
    const auto carved = 1 + random_.below(capacity_);
    const PageBits all =
        pages_without_live(size_, carved, capacity_, [](uint32_t) { return true; });
    const PageBits purged = some_of(all);
    const std::set<uint32_t> holes = objects_on(purged, size_, carved);
    EXPECT_EQ(count_holes(purged, size_, carved), holes.size());
    std::vector<uint32_t> seen;
    for_each_object_on(purged, size_, carved, [&](uint32_t i) { seen.push_back(i); });
    EXPECT_EQ(seen, std::vector<uint32_t>(holes.rbegin(), holes.rend()));
  }
}

TEST_P(HoleMap, FillingGivesObjectsAndComesToAnEnd) {
  for (const size_t bytes : {kPageSize, 4 * kPageSize}) {
    const PageBits all =
        pages_without_live(size_, capacity_, capacity_, [](uint32_t) { return true; });
    PageBits purged = some_of(all);
    std::set<uint32_t> holes = objects_on(purged, size_, capacity_);
    while (purged != 0) {
      const PageBits filled = pages_to_fill(purged, size_, bytes);
      ASSERT_NE(filled, 0u);
      ASSERT_EQ(filled & ~purged, 0u);
      const std::set<uint32_t> left = objects_on(purged & ~filled, size_, capacity_);
      ASSERT_LT(left.size(), holes.size()) << "no object came of it";
      purged &= ~filled;
      holes = left;
    }
    EXPECT_TRUE(holes.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Classes, HoleMap, testing::Range(0u, kClassCount));

}  // namespace
}  // namespace tenure
