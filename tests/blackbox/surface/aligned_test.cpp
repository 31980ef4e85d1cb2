#include <errno.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>
#include <vector>

#include "tests/blackbox/support/pattern.h"
#include "tests/blackbox/surface/entry_points.h"

namespace blackbox {
namespace {

constexpr size_t kLargestAlignment = size_t(64) << 20;

TEST(Aligned, EveryAlignmentWithEverySize) {
  for (size_t alignment = 8; alignment <= kLargestAlignment; alignment *= 2)
    for (size_t size : {size_t(0), size_t(1), size_t(17), size_t(100), alignment - 1, alignment,
                        alignment + 1, 3 * alignment / 2}) {
      void* objects[3] = {};
      ASSERT_EQ(posix_memalign(&objects[0], alignment, size), 0) << alignment << " " << size;
      objects[1] = memalign(alignment, size);
      objects[2] = aligned_alloc(alignment, size);
      for (void* object : objects) {
        ASSERT_NE(object, nullptr) << alignment << " " << size;
        ASSERT_EQ(uintptr_t(object) % alignment, 0u) << size;
        ASSERT_EQ(uintptr_t(object) % 16, 0u);
        ASSERT_GE(malloc_usable_size(object), size);
        fill_pattern(object, size, uintptr_t(object));
      }
      for (void* object : objects) {
        ASSERT_EQ(find_mismatch(object, size, uintptr_t(object)), kNoMismatch);
        free(object);
      }
    }
}

TEST(Aligned, ManyAtOnceDoNotOverlap) {
  for (size_t alignment = 32; alignment <= (1 << 20); alignment *= 8) {
    std::vector<void*> objects;
    for (size_t i = 0; i < 64; ++i) {
      objects.push_back(aligned_alloc(alignment, alignment + 24));
      ASSERT_NE(objects.back(), nullptr);
      ASSERT_EQ(uintptr_t(objects.back()) % alignment, 0u);
      fill_pattern(objects.back(), malloc_usable_size(objects.back()), i);
    }
    for (size_t i = 0; i < objects.size(); ++i) {
      ASSERT_EQ(find_mismatch(objects[i], malloc_usable_size(objects[i]), i), kNoMismatch);
      free(objects[i]);
    }
  }
}

TEST(Aligned, PageFunctions) {
  const size_t page = size_t(sysconf(_SC_PAGESIZE));
  for (size_t size : {size_t(0), size_t(1), page - 1, page, page + 1, 10 * page, 1000 * page + 5}) {
    void* object = valloc(size);
    ASSERT_NE(object, nullptr);
    ASSERT_EQ(uintptr_t(object) % page, 0u);
    fill_pattern(object, size, 1);
    void* whole = pvalloc(size);
    ASSERT_NE(whole, nullptr);
    ASSERT_EQ(uintptr_t(whole) % page, 0u);
    // pvalloc promises whole pages.
    ASSERT_GE(malloc_usable_size(whole), (size + page - 1) / page * page);
    fill_pattern(whole, (size + page - 1) / page * page, 2);
    ASSERT_EQ(find_mismatch(object, size, 1), kNoMismatch);
    free(object);
    free(whole);
  }
}

TEST(Aligned, ReuseKeepsAlignment) {
  Random random(3);
  std::vector<void*> objects(500);
  for (int i = 0; i < 50000; ++i) {
    void*& object = objects[random.below(objects.size())];
    free(object);
    size_t alignment = size_t(8) << random.below(13);
    object = memalign(alignment, random.size(30000));
    ASSERT_NE(object, nullptr);
    ASSERT_EQ(uintptr_t(object) % alignment, 0u);
  }
  for (void* object : objects) free(object);
}

}  // namespace
}  // namespace blackbox
