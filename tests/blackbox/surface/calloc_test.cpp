#include <gtest/gtest.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <vector>

#include <unistd.h>

#include "tests/blackbox/support/memory.h"
#include "tests/blackbox/support/pattern.h"

namespace blackbox {
namespace {

TEST(Calloc, IsZeroOverTheWholeUsableSize) {
  for (size_t size = 1; size <= (16 << 20); size += size / 3 + 1) {
    void* object = calloc(1, size);
    ASSERT_NE(object, nullptr);
    ASSERT_TRUE(is_zero(object, size)) << size;
    free(object);
  }
}

// Dirties what calloc will hand out next, for every range of sizes.
TEST(Calloc, IsZeroAfterDirtyReuse) {
  for (size_t size = 1; size <= (16 << 20); size += size / 2 + 1) {
    size_t count = (1 << 20) / size + 1;
    count = count > 600 ? 600 : count;
    std::vector<void*> objects(count);
    for (size_t round = 0; round < 3; ++round) {
      for (void*& object : objects) {
        object = malloc(size);
        ASSERT_NE(object, nullptr);
        memset(object, 0xA5, malloc_usable_size(object));
      }
      for (void* object : objects) free(object);
      const size_t members = round + 1, whole = size / members * members;
      for (void*& object : objects) {
        object = calloc(members, size / members);
        ASSERT_NE(object, nullptr);
        ASSERT_TRUE(is_zero(object, whole)) << size;
        memset(object, 0x5A, malloc_usable_size(object));
      }
      for (void* object : objects) free(object);
    }
  }
}

// What was one large object becomes small ones and the other way round.
TEST(Calloc, IsZeroWhenPagesChangeTheirUse) {
  Random random(7);
  for (int round = 0; round < 40; ++round) {
    size_t size = 100 + random.size(2 << 20);
    std::vector<void*> objects;
    for (size_t bytes = 0; bytes < (8 << 20); bytes += size) {
      objects.push_back(calloc(1, size));
      ASSERT_NE(objects.back(), nullptr);
      ASSERT_TRUE(is_zero(objects.back(), size)) << size << " in round " << round;
      memset(objects.back(), 0xFF, malloc_usable_size(objects.back()));
    }
    for (void* object : objects) free(object);
    if (random.one_in(4)) malloc_trim(0);
  }
}

TEST(Calloc, IsZeroAfterTrim) {
  for (size_t size : {size_t(48), size_t(3000), size_t(40000), size_t(500000), size_t(5) << 20}) {
    std::vector<void*> objects((16 << 20) / size);
    for (void*& object : objects) memset(object = malloc(size), 0xEE, size);
    for (void* object : objects) free(object);
    malloc_trim(0);
    for (void*& object : objects) {
      object = calloc(size, 1);
      ASSERT_TRUE(is_zero(object, size)) << size;
    }
    for (void* object : objects) free(object);
  }
}

TEST(Calloc, HugeOnesCostNoMemoryUntilTouched) {
  const size_t size = size_t(1) << 30;
  auto* object = static_cast<char*>(calloc(1, size));
  ASSERT_NE(object, nullptr);
  for (size_t offset = 0; offset < size; offset += size / 64) ASSERT_EQ(object[offset], 0);
  ASSERT_EQ(object[size - 1], 0);
  free(object);
}

// Also where the memory has been used before.
TEST(Calloc, HugeOnesOfUsedMemoryCostNoneUntilTouched) {
  const size_t size = size_t(256) << 20;
  auto* object = static_cast<char*>(malloc(size));
  ASSERT_NE(object, nullptr);
  memset(object, 0x5a, size);
  free(object);
  object = static_cast<char*>(calloc(1, size));
  ASSERT_NE(object, nullptr);
  EXPECT_LT(resident_bytes_of(getpid()), size / 2);
  for (size_t offset = 0; offset < size; offset += 4096) ASSERT_EQ(object[offset], 0);
  ASSERT_EQ(object[size - 1], 0);
  free(object);
}

}  // namespace
}  // namespace blackbox
