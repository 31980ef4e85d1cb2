#include <errno.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/blackbox/support/pattern.h"
#include "tests/blackbox/surface/entry_points.h"

namespace blackbox {
namespace {

#define EXPECT_NO_MEMORY(call)                                               \
  do {                                                                       \
    errno = 0;                                                               \
    EXPECT_EQ(static_cast<void*>(call), nullptr) << #call << " of " << size; \
    EXPECT_EQ(errno, ENOMEM) << #call << " of " << size;                     \
  } while (0)

TEST(Errors, SizesAbovePtrdiffMaxFailEverywhere) {
  for (size_t constant : kTooLarge) {
    size_t size = opaque(constant);
    EXPECT_NO_MEMORY(malloc(size));
    EXPECT_NO_MEMORY(calloc(1, size));
    EXPECT_NO_MEMORY(calloc(size, 1));
    EXPECT_NO_MEMORY(realloc(nullptr, size));
    EXPECT_NO_MEMORY(reallocarray(nullptr, 1, size));
    EXPECT_NO_MEMORY(aligned_alloc(64, size));
    EXPECT_NO_MEMORY(aligned_alloc(1 << 20, size));
    EXPECT_NO_MEMORY(memalign(4096, size));
    EXPECT_NO_MEMORY(memalign(8, size));
    EXPECT_NO_MEMORY(valloc(size));
    EXPECT_NO_MEMORY(pvalloc(size));
    for (size_t alignment : {size_t(8), size_t(64), size_t(4096), size_t(1) << 21}) {
      void* out = &out;
      errno = 4711;
      EXPECT_EQ(posix_memalign(&out, alignment, size), ENOMEM);
      EXPECT_EQ(out, &out);
      EXPECT_EQ(errno, 4711);
    }
  }
}

TEST(Errors, SizesNoAddressSpaceHoldsFail) {
  for (size_t constant : {size_t(PTRDIFF_MAX), size_t(PTRDIFF_MAX) - 1, size_t(PTRDIFF_MAX) - 4095,
                          size_t(PTRDIFF_MAX) - 65536, size_t(1) << 62, size_t(1) << 48}) {
    size_t size = opaque(constant);
    EXPECT_NO_MEMORY(malloc(size));
    EXPECT_NO_MEMORY(calloc(1, size));
    EXPECT_NO_MEMORY(realloc(nullptr, size));
    EXPECT_NO_MEMORY(aligned_alloc(1 << 20, size));
    EXPECT_NO_MEMORY(pvalloc(size));
  }
}

TEST(Errors, FailedReallocLeavesTheObject) {
  for (size_t old : {size_t(1), size_t(100), size_t(5000), size_t(200000), size_t(8) << 20}) {
    void* object = malloc(old);
    ASSERT_NE(object, nullptr);
    fill_pattern(object, old, old);
    for (size_t constant : kTooLarge) {
      size_t size = opaque(constant);
      EXPECT_NO_MEMORY(realloc(object, size));
      EXPECT_NO_MEMORY(reallocarray(object, size / 2, 4));
    }
    size_t size = opaque(size_t(PTRDIFF_MAX) - 100);
    EXPECT_NO_MEMORY(realloc(object, size));
    EXPECT_EQ(find_mismatch(object, old, old), kNoMismatch);
    free(object);
  }
}

TEST(Errors, CallocCatchesOverflow) {
  const size_t half = size_t(1) << 32;
  struct {
    size_t count, size;
  } pairs[] = {
      {half, half},         {half + 1, half},      {SIZE_MAX, 2},           {2, SIZE_MAX},
      {SIZE_MAX, SIZE_MAX}, {SIZE_MAX / 2 + 1, 2}, {SIZE_MAX / 16 + 1, 16}, {3, SIZE_MAX / 3 + 1}};
  for (auto pair : pairs) {
    size_t size = pair.size;
    EXPECT_NO_MEMORY(calloc(opaque(pair.count), opaque(size)));
    EXPECT_NO_MEMORY(reallocarray(nullptr, opaque(pair.count), opaque(size)));
  }
  free(calloc(SIZE_MAX, 0));
  free(calloc(0, SIZE_MAX));
}

TEST(Errors, PosixMemalignChecksItsAlignment) {
  for (size_t alignment : {size_t(0), size_t(1), size_t(2), size_t(4), size_t(3), size_t(12),
                           size_t(24), size_t(48), size_t(4095), size_t(4097), size_t(6) << 20}) {
    void* out = &out;
    errno = 4711;
    EXPECT_EQ(posix_memalign(&out, opaque(alignment), 64), EINVAL) << alignment;
    EXPECT_EQ(out, &out) << alignment;
    EXPECT_EQ(errno, 4711) << alignment;
  }
}

TEST(Errors, PosixMemalignKeepsErrnoOnSuccess) {
  for (size_t alignment = 8; alignment <= (1 << 22); alignment *= 2) {
    void* out = nullptr;
    errno = 4711;
    EXPECT_EQ(posix_memalign(&out, alignment, 100), 0);
    EXPECT_EQ(errno, 4711);
    EXPECT_NE(out, nullptr);
    EXPECT_EQ(uintptr_t(out) % alignment, 0u);
    free(out);
  }
}

TEST(Errors, AbsurdAlignmentsFail) {
  size_t alignment = opaque(size_t(1) << 63);
  errno = 0;
  EXPECT_EQ(memalign(alignment, 16), nullptr);
  EXPECT_TRUE(errno == ENOMEM || errno == EINVAL) << errno;
  errno = 0;
  EXPECT_EQ(aligned_alloc(alignment, 16), nullptr);
  EXPECT_TRUE(errno == ENOMEM || errno == EINVAL) << errno;
  errno = 0;
  EXPECT_EQ(memalign(opaque(~size_t(0)), 16), nullptr);
  EXPECT_TRUE(errno == ENOMEM || errno == EINVAL) << errno;
  void* out = &out;
  EXPECT_EQ(posix_memalign(&out, alignment, 16), ENOMEM);
  EXPECT_EQ(out, &out);
}

// glibc rounds such alignments up (memalign always, aligned_alloc until 2.38) or answers EINVAL; both
// are fine, a pointer that is less aligned is not.
TEST(Errors, OddAlignmentsAreRoundedUpOrRefused) {
  for (size_t alignment : {size_t(0), size_t(1), size_t(3), size_t(24), size_t(100), size_t(5000)})
    for (auto* function : {&memalign, &aligned_alloc}) {
      errno = 0;
      void* object = function(opaque(alignment), 64);
      if (object == nullptr) {
        EXPECT_EQ(errno, EINVAL) << alignment;
        continue;
      }
      size_t rounded = 16;
      while (rounded < alignment) rounded *= 2;
      EXPECT_EQ(uintptr_t(object) % rounded, 0u) << alignment;
      free(object);
    }
}

}  // namespace
}  // namespace blackbox
