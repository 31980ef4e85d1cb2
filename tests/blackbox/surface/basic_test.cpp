#include <algorithm>
#include <errno.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <stdlib.h>
#include <vector>

#include "tests/blackbox/support/pattern.h"
#include "tests/blackbox/surface/entry_points.h"

namespace blackbox {
namespace {

// Every size where something changes: all small ones, then both sides of powers of two and of their
// quarters.
std::vector<size_t> interesting_sizes(size_t limit) {
  std::vector<size_t> sizes;
  for (size_t size = 0; size <= 1100; ++size) sizes.push_back(size);
  for (size_t power = 1024; power <= limit; power *= 2)
    for (size_t quarter = 4; quarter < 8; ++quarter)
      for (long delta : {-16, -1, 0, 1, 16})
        if (power / 4 * quarter + size_t(delta) <= limit)
          sizes.push_back(power / 4 * quarter + size_t(delta));
  return sizes;
}

TEST(Basic, EverySizeIsAlignedWritableAndUsable) {
  for (size_t size : interesting_sizes(16 << 20)) {
    void* object = malloc(size);
    ASSERT_NE(object, nullptr) << size;
    ASSERT_EQ(uintptr_t(object) % 16, 0u) << size;
    ASSERT_GE(malloc_usable_size(object), size);
    fill_pattern(object, size, size);
    ASSERT_EQ(find_mismatch(object, size, size), kNoMismatch) << size;
    free(object);
  }
}

TEST(Basic, OneByteObjectsAreAlignedForEverything) {
  std::vector<char*> objects;
  for (int i = 0; i < 5000; ++i) {
    objects.push_back(static_cast<char*>(malloc(1)));
    ASSERT_EQ(uintptr_t(objects.back()) % 16, 0u);
    *objects.back() = char(i);
  }
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(*objects[size_t(i)], char(i));
    free(objects[size_t(i)]);
  }
}

TEST(Basic, EmptyObjectsAreDistinct) {
  void* first = malloc(0);
  void* second = malloc(0);
  void* third = calloc(0, 8);
  EXPECT_NE(first, nullptr);
  EXPECT_NE(second, nullptr);
  EXPECT_NE(third, nullptr);
  EXPECT_NE(first, second);
  EXPECT_NE(second, third);
  free(first);
  free(second);
  free(third);
}

TEST(Basic, FreeOfNullDoesNothing) {
  free(nullptr);
  EXPECT_EQ(malloc_usable_size(nullptr), 0u);
}

TEST(Basic, UsableSizeIsStableAndWholeOfItIsTheUsers) {
  std::vector<std::pair<void*, size_t>> objects;
  for (size_t size : interesting_sizes(1 << 20)) {
    void* object = malloc(size);
    ASSERT_NE(object, nullptr);
    size_t usable = malloc_usable_size(object);
    ASSERT_GE(usable, size);
    objects.emplace_back(object, usable);
    fill_pattern(object, usable, usable ^ uintptr_t(object));
  }
  for (auto [object, usable] : objects) {
    ASSERT_EQ(malloc_usable_size(object), usable);
    ASSERT_EQ(find_mismatch(object, usable, usable ^ uintptr_t(object)), kNoMismatch) << usable;
  }
  for (auto [object, usable] : objects) free(object);
}

TEST(Basic, FreeKeepsErrno) {
  for (size_t size : interesting_sizes(64 << 20)) {
    void* object = malloc(size);
    ASSERT_NE(object, nullptr);
    errno = 4711;
    free(object);
    ASSERT_EQ(errno, 4711) << size;
  }
  errno = 4711;
  free(nullptr);
  EXPECT_EQ(errno, 4711);
}

TEST(Basic, FreeKeepsErrnoInBulk) {
  // Many at once, so that free takes its slow paths too.
  for (size_t size : {size_t(16), size_t(512), size_t(20000), size_t(300000)}) {
    std::vector<void*> objects;
    for (size_t bytes = 0; bytes < (16 << 20); bytes += size) objects.push_back(malloc(size));
    for (void* object : objects) {
      errno = 4711;
      free(object);
      ASSERT_EQ(errno, 4711) << size;
    }
  }
}

TEST(Basic, SuccessLeavesErrnoAlone) {
  for (size_t size : interesting_sizes(4 << 20)) {
    errno = 4711;
    void* object = malloc(size);
    ASSERT_EQ(errno, 4711) << size;
    free(object);
  }
}

TEST(Basic, SizedFreeTakesWhatWasAskedFor) {
  ASSERT_NE(&free_sized, nullptr);
  ASSERT_NE(&free_aligned_sized, nullptr);
  for (size_t size : interesting_sizes(4 << 20)) {
    errno = 4711;
    free_sized(malloc(size), size);
    ASSERT_EQ(errno, 4711);
    free_sized(calloc(1, size), size);
  }
  for (size_t alignment = 16; alignment <= (2 << 20); alignment *= 2)
    for (size_t size : {alignment, 3 * alignment, 5 * alignment})
      free_aligned_sized(aligned_alloc(alignment, size), alignment, size);
  free_sized(nullptr, 10);
  free_aligned_sized(nullptr, 64, 10);
}

TEST(Basic, NewObjectsDoNotOverlapLiveOnes) {
  struct Object {
    char* start;
    size_t usable;
  };
  std::vector<Object> live;
  Random random(1);
  for (int i = 0; i < 20000; ++i) {
    size_t size = random.size(20000);
    auto* start = static_cast<char*>(malloc(size));
    ASSERT_NE(start, nullptr);
    live.push_back({start, malloc_usable_size(start)});
  }
  std::sort(live.begin(), live.end(),
            [](const Object& a, const Object& b) { return a.start < b.start; });
  for (size_t i = 1; i < live.size(); ++i)
    ASSERT_LE(live[i - 1].start + live[i - 1].usable, live[i].start);
  for (const Object& object : live) free(object.start);
}

// What comes from glibc's other names goes to free, and the other way round.
TEST(Basic, LibcsOtherNamesAreTheSameFunctions) {
  for (size_t size : {size_t(1), size_t(100), size_t(5000), size_t(40000), size_t(3) << 20}) {
    void* objects[] = {
        __libc_malloc(size),       __libc_calloc(1, size), __libc_realloc(malloc(1), size),
        __libc_memalign(64, size), __libc_valloc(size),    __libc_pvalloc(size)};
    for (void* object : objects) {
      ASSERT_NE(object, nullptr);
      EXPECT_GE(malloc_usable_size(object), size);
      memset(object, 1, size);
      free(object);
    }
    __libc_free(memset(malloc(size), 1, size));
    free(realloc(__libc_malloc(size), 2 * size));
    if (void* object = nullptr; __posix_memalign) {
      ASSERT_EQ(__posix_memalign(&object, 4096, size), 0);
      EXPECT_EQ(uintptr_t(object) % 4096, 0u);
      free(object);
    }
  }
  __libc_free(nullptr);
}

}  // namespace
}  // namespace blackbox
