#include <errno.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <vector>

#include "tests/blackbox/support/pattern.h"
#include "tests/blackbox/surface/entry_points.h"

namespace blackbox {
namespace {

TEST(Realloc, OfNullAllocates) {
  for (size_t size : {size_t(0), size_t(1), size_t(100), size_t(100000), size_t(3) << 20}) {
    void* object = realloc(nullptr, size);
    ASSERT_NE(object, nullptr) << size;
    ASSERT_GE(malloc_usable_size(object), size);
    free(object);
  }
}

TEST(Realloc, ToZeroFreesAndReturnsNull) {
  // If it did not free, this would need 40 GiB.
  for (int i = 0; i < 10000; ++i) {
    void* object = malloc(4 << 20);
    ASSERT_NE(object, nullptr);
    static_cast<char*>(object)[0] = 1;
    ASSERT_EQ(realloc(object, opaque(size_t(0))), nullptr);
  }
  for (size_t size : {size_t(1), size_t(16), size_t(1000), size_t(50000)})
    for (int i = 0; i < 1000; ++i) {
      ASSERT_EQ(realloc(malloc(size), opaque(size_t(0))), nullptr);
      ASSERT_EQ(reallocarray(malloc(size), opaque(size_t(0)), 8), nullptr);
    }
}

TEST(Realloc, KeepsContentsFromEverySizeToEverySize) {
  std::vector<size_t> sizes;
  for (size_t size = 1; size <= (12 << 20); size += size / 4 + 1) sizes.push_back(size);
  for (size_t from : sizes)
    for (size_t to : sizes) {
      if (from + to > (8 << 20) && (from ^ to) % 16 != 0)
        continue;  // some of the large combinations
      void* object = malloc(from);
      ASSERT_NE(object, nullptr);
      fill_pattern(object, from, to);
      object = realloc(object, to);
      ASSERT_NE(object, nullptr);
      ASSERT_EQ(uintptr_t(object) % 16, 0u);
      ASSERT_GE(malloc_usable_size(object), to);
      ASSERT_EQ(find_mismatch(object, from, to, to), kNoMismatch) << from << " to " << to;
      fill_pattern(object, to, from);
      ASSERT_EQ(find_mismatch(object, to, from), kNoMismatch);
      free(object);
    }
}

TEST(Realloc, GrowsByteByByteAndShrinksAgain) {
  char* object = nullptr;
  for (size_t size = 1; size <= 10000; ++size) {
    object = static_cast<char*>(realloc(object, size));
    ASSERT_NE(object, nullptr);
    object[size - 1] = char(size * 7);
  }
  for (size_t size = 10000; size > 1; --size) {
    ASSERT_EQ(object[size - 1], char(size * 7)) << size;
    object = static_cast<char*>(realloc(object, size - 1));
    ASSERT_NE(object, nullptr);
  }
  free(object);
}

TEST(Realloc, MovesHugeObjectsWithTheirContents) {
  size_t size = 1 << 20;
  void* object = malloc(size);
  ASSERT_NE(object, nullptr);
  void* neighbours[24] = {};
  for (size_t step = 0; step < 24; ++step) {
    fill_pattern(object, size, step);
    neighbours[step] = malloc(1 << 20);  // in the way of growth in place
    size_t larger = size + size / 3 + 4096 * step;
    larger = larger > (192u << 20) ? (1 << 20) + 12345 : larger;
    object = realloc(object, larger);
    ASSERT_NE(object, nullptr);
    ASSERT_EQ(find_mismatch(object, size, step, larger), kNoMismatch) << size << " to " << larger;
    // The part that was added is the program's too.
    memset(static_cast<char*>(object) + (larger - 4096), 0x77, 4096);
    size = larger;
  }
  free(object);
  for (void* neighbour : neighbours) free(neighbour);
}

TEST(Realloc, OfAlignedObjectsKeepsContents) {
  for (size_t alignment = 32; alignment <= (4 << 20); alignment *= 4)
    for (size_t from : {size_t(50), size_t(5000), size_t(70000), size_t(3) << 20})
      for (size_t to : {size_t(20), size_t(6000), size_t(100000), size_t(5) << 20}) {
        void* object = memalign(alignment, from);
        ASSERT_NE(object, nullptr);
        fill_pattern(object, from, alignment);
        object = realloc(object, to);
        ASSERT_NE(object, nullptr);
        ASSERT_EQ(find_mismatch(object, from, alignment, to), kNoMismatch);
        free(object);
      }
}

TEST(Realloc, ArrayMultiplies) {
  auto* numbers = static_cast<int*>(reallocarray(nullptr, 10, sizeof(int)));
  ASSERT_NE(numbers, nullptr);
  for (int i = 0; i < 10; ++i) numbers[i] = i;
  numbers = static_cast<int*>(reallocarray(numbers, 100000, sizeof(int)));
  ASSERT_NE(numbers, nullptr);
  ASSERT_GE(malloc_usable_size(numbers), 100000 * sizeof(int));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(numbers[i], i);
  free(numbers);
}

}  // namespace
}  // namespace blackbox
