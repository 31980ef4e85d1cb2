#include "allocator/pages/page_map.h"

#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

class PageMapTest : public testing::Test {
protected:
  static constexpr size_t kGranules = 4096;
  static constexpr size_t kMapBytes = kGranules * sizeof(GranuleEntry);
  static constexpr size_t kBitmapBytes = kGranules * kGranuleSize / kMinAlignment / 8;

  PageMapTest()
      : map_memory_(os::reserve(kMapBytes, kPageSize)),
        bitmaps_(os::reserve(kBitmapBytes, kPageSize)) {
    map_.adopt(map_memory_, kMapBytes);
  }
  ~PageMapTest() override {
    os::release(map_memory_, kMapBytes);
    os::release(bitmaps_, kBitmapBytes);
  }

  void* const map_memory_;
  void* const bitmaps_;
  PageMap map_;
};

TEST_F(PageMapTest, EntriesStartClosedAndNameNothing) {
  ASSERT_TRUE(map_.ensure(kGranules));
  for (size_t i = 0; i < kGranules; ++i) {
    ASSERT_EQ(map_.at(i).front, 0u);
    ASSERT_EQ(map_.at(i).descriptor.load(), 0u);
  }
}

TEST_F(PageMapTest, SetsExactlyTheRun) {
  ASSERT_TRUE(map_.ensure(kGranules));
  map_.set(10, 4, 64, 7);
  for (uint32_t i = 0; i < 20; ++i) {
    const bool inside = i >= 10 && i < 14;
    EXPECT_EQ(map_.at(i).front, inside ? 64u : 0u) << i;
    EXPECT_EQ(map_.at(i).descriptor.load(), inside ? 7u : 0u) << i;
  }
  map_.set(10, 4, 0, 0);
  EXPECT_EQ(map_.at(13).descriptor.load(), 0u);
  EXPECT_EQ(map_.entries(), &map_.at(0));
}

TEST_F(PageMapTest, TagPlacesAreOfOneGranule) {
  constexpr size_t kBytes = kGranules * sizeof(TagPlace);
  void* const memory = os::reserve(kBytes, kPageSize);
  map_.adopt_tag_places(memory, kBytes);
  ASSERT_TRUE(map_.ensure(kGranules));
  alignas(kCacheLine) static uint32_t tags[64];
  for (const uint32_t number : {1u, 17u, 63u}) {
    map_.set_tag_place(10, {tags, number});
    EXPECT_TRUE(map_.tag_places()[10]);
    EXPECT_EQ(map_.tag_places()[10].tags(), reinterpret_cast<uint64_t>(tags));
    EXPECT_EQ(map_.tag_places()[10].class_number(), number);
    EXPECT_FALSE(map_.tag_places()[9]);
    EXPECT_FALSE(map_.tag_places()[11]);
  }
  map_.set_tag_place(10, {});
  EXPECT_FALSE(map_.tag_places()[10]);
  os::release(memory, kBytes);
}

TEST_F(PageMapTest, StopsAtItsReservation) {
  EXPECT_FALSE(map_.ensure(kGranules + 1));
  EXPECT_TRUE(map_.ensure(kGranules));
  map_.adopt_bitmaps(bitmaps_, kBitmapBytes / 2);
  EXPECT_TRUE(map_.ensure(kGranules / 2));
  EXPECT_FALSE(map_.ensure(kGranules));
}

TEST_F(PageMapTest, MarksSayWhatTheyReplace) {
  map_.adopt_bitmaps(bitmaps_, kBitmapBytes);
  ASSERT_TRUE(map_.ensure(kGranules));
  for (const uint64_t offset : {uint64_t{0}, uint64_t{16}, 63 * uint64_t{16}, 64 * uint64_t{16},
                                uint64_t{kGranules} * kGranuleSize - 16}) {
    EXPECT_FALSE(map_.mark(offset, false));
    EXPECT_FALSE(map_.mark(offset, true));
    EXPECT_TRUE(map_.mark(offset, true));
    EXPECT_TRUE(map_.mark(offset, false));
    EXPECT_FALSE(map_.mark(offset, false));
  }
}

TEST_F(PageMapTest, NeighboursMarksAreTheirOwn) {
  map_.adopt_bitmaps(bitmaps_, kBitmapBytes);
  ASSERT_TRUE(map_.ensure(kGranules));
  std::atomic<uint32_t> wrong{0};
  run_threads(4, [&](int id) {
    for (int round = 0; round < 200; ++round) {
      for (uint64_t unit = static_cast<uint64_t>(id); unit < 256; unit += 4)
        wrong += map_.mark(unit * 16, true);
      for (uint64_t unit = static_cast<uint64_t>(id); unit < 256; unit += 4)
        wrong += !map_.mark(unit * 16, false);
    }
  });
  EXPECT_EQ(wrong.load(), 0u);
}

}  // namespace
}  // namespace tenure
