#include "allocator/heap/large.h"

#include <errno.h>
#include <utility>

#include "allocator/upkeep/run_stash.h"
#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

class LargeTest : public HeapTest {
protected:
  static uint32_t number_of(const void* object) {
    return arena.page_map.at(granule_of(object)).descriptor.load();
  }
  static bool is_zero(const void* p, size_t bytes) {
    const char* c = static_cast<const char*>(p);
    for (size_t i = 0; i < bytes; ++i) {
      if (c[i] != 0) return false;
    }
    return true;
  }
  static bool stashes() { return !arena.hardened && arena.settings.decay_ms != 0; }
  // An object that cannot grow where it lies, and what is in its way.
  struct Walled {
    void* object;
    void* wall;
    bool holds() const {
      const RunDescriptor& run = arena.descriptors.at(number_of(object));
      return granule_of(wall) == run.granule + run.granules;
    }
  };
  static Walled walled(size_t size) {
    // Of the same length, so that two fill a chunk.
    void* const object = allocate_large(root_tenant, size, 1, Fill::kAny);
    return {object, allocate_large(root_tenant, size, 1, Fill::kAny)};
  }
  static size_t mappings() {
    FILE* const maps = fopen("/proc/self/maps", "r");
    size_t lines = 0;
    for (int c; (c = fgetc(maps)) != EOF;) lines += c == '\n';
    fclose(maps);
    return lines;
  }
  static void release(void* object) { free_large(number_of(object)); }
};

TEST_F(LargeTest, RunsOfTheirOwn) {
  for (const size_t size : {kLargestSmall + 1, 2 * kGranuleSize, 2 * kGranuleSize + 1, kChunkSize,
                            3 * kChunkSize + 5}) {
    void* const object = allocate_large(root_tenant, size, 1, Fill::kAny);
    ASSERT_NE(object, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(object) % kGranuleSize, 0u);
    const uint32_t number = number_of(object);
    const RunDescriptor& run = arena.descriptors.at(number);
    EXPECT_EQ(run.kind, RunKind::kLarge);
    EXPECT_EQ(run.large_bytes, round_up(size, kGranuleSize));
    EXPECT_EQ(arena.page_map.at(run.granule).front, 0u)
        << "a large object must not be pushed on a front";
    EXPECT_EQ(arena.page_map.at(run.granule + 1).descriptor.load(), 0u);
    Stamped stamped(object, run.large_bytes, 1);
    EXPECT_TRUE(stamped.intact());
    free_large(number);
    if (stashes() && size <= kLongestStashed) {
      EXPECT_EQ(run.kind, RunKind::kStashed);
    }
    trim();
    EXPECT_EQ(number_of(object), 0u);
    EXPECT_FALSE(arena.page_heap.is_used(granule_of(object)));
  }
}

TEST_F(LargeTest, AlignmentOfTheAddress) {
  for (size_t alignment = kGranuleSize; alignment <= 64 * kMiB; alignment *= 2) {
    void* const object = allocate_large(root_tenant, kGranuleSize, alignment, Fill::kAny);
    ASSERT_NE(object, nullptr) << alignment;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(object) % alignment, 0u) << alignment;
    release(object);
  }
}

TEST_F(LargeTest, ImpossibleSizesAreRefused) {
  for (const size_t size :
       {size_t{1} << 45, (size_t{1} << 47) - 1, size_t{1} << 47, (size_t{1} << 47) + kGranuleSize,
        size_t{1} << 62, static_cast<size_t>(PTRDIFF_MAX), static_cast<size_t>(PTRDIFF_MAX) + 1,
        SIZE_MAX - kGranuleSize, SIZE_MAX}) {
    errno = 0;
    EXPECT_EQ(allocate_large(root_tenant, size, 1, Fill::kAny), nullptr) << size;
    EXPECT_EQ(errno, ENOMEM);
  }
}

TEST_F(LargeTest, ImpossibleAlignmentsAreRefused) {
  for (unsigned shift = 45; shift < 64; ++shift) {
    errno = 0;
    EXPECT_EQ(allocate_large(root_tenant, kGranuleSize, size_t{1} << shift, Fill::kAny), nullptr)
        << shift;
    EXPECT_EQ(errno, ENOMEM);
  }
}

TEST_F(LargeTest, ZeroFillAfterUse) {
  const size_t size = 10 * kGranuleSize;
  void* object = allocate_large(root_tenant, size, 1, Fill::kAny);
  __builtin_memset(object, 7, size);
  release(object);
  object = allocate_large(root_tenant, size, 1, Fill::kZero);
  EXPECT_TRUE(is_zero(object, size));
  release(object);
}

TEST_F(LargeTest, ShrinksAndGrowsInPlace) {
  void* const object = allocate_large(root_tenant, 10 * kGranuleSize, 1, Fill::kAny);
  const uint32_t number = number_of(object);
  __builtin_memset(object, 7, 10 * kGranuleSize);
  EXPECT_EQ(resize_large(number, 10 * kGranuleSize - 5), object);
  EXPECT_EQ(arena.descriptors.at(number).large_bytes, 10 * kGranuleSize);
  EXPECT_EQ(resize_large(number, 4 * kGranuleSize), object);
  EXPECT_EQ(arena.descriptors.at(number).large_bytes, 4 * kGranuleSize);
  EXPECT_FALSE(arena.page_heap.is_used(granule_of(object) + 4));
  EXPECT_EQ(validate_heap(), nullptr);
  EXPECT_EQ(resize_large(number, 8 * kGranuleSize), object);
  EXPECT_EQ(arena.descriptors.at(number).large_bytes, 8 * kGranuleSize);
  EXPECT_TRUE(arena.page_heap.is_used(granule_of(object) + 7));
  free_large(number);
}

// Where something is in the way the pages move; their contents come along.
TEST_F(LargeTest, MovesWhereItCannotGrow) {
  const size_t size = kMiB;
  char* object = static_cast<char*>(allocate_large(root_tenant, size, 1, Fill::kAny));
  const uint32_t number = number_of(object);
  void* const wall = allocate_large(root_tenant, kGranuleSize, 1, Fill::kAny);
  const uint32_t end = granule_of(object) + static_cast<uint32_t>(size / kGranuleSize);
  if (granule_of(wall) != end) GTEST_SKIP() << "the neighbour lies elsewhere";
  for (size_t i = 0; i < size; i += 512) object[i] = static_cast<char>(i / 512);
  char* const moved = static_cast<char*>(resize_large(number, 3 * kMiB));
  if (moved == nullptr) {
    release(object);
    release(wall);
    GTEST_SKIP() << "the kernel moves no pages";
  }
  ASSERT_NE(moved, object);
  EXPECT_EQ(number_of(moved), number);
  EXPECT_EQ(number_of(object), 0u);
  for (size_t i = 0; i < size; i += 512) ASSERT_EQ(moved[i], static_cast<char>(i / 512));
  Stamped stamped(moved, 3 * kMiB, 1);
  EXPECT_TRUE(stamped.intact());
  EXPECT_EQ(validate_heap(), nullptr);
  // What was left behind is zero, and usable.
  void* const zeroed = allocate_large(root_tenant, size, 1, Fill::kZero);
  EXPECT_TRUE(is_zero(zeroed, size));
  EXPECT_TRUE(stamped.intact());
  release(zeroed);
  // The moved run's memory can be used by others after it was freed.
  free_large(number);
  void* const again = allocate_large(root_tenant, 3 * kMiB, 1, Fill::kZero);
  EXPECT_TRUE(is_zero(again, 3 * kMiB));
  release(again);
  release(wall);
}

// Each moved run takes a mapping, of which there are not many.
TEST_F(LargeTest, NoMoreRunsAreMovedThanTheShareOfMappings) {
  constexpr uint32_t kMost = 3;
  constexpr size_t kObjects = 10;
  trim();
  ASSERT_EQ(moved_runs.live.load(), 0u);
  std::vector<Walled> held;
  held.reserve(kObjects);
  for (size_t i = 0; i < kObjects; ++i) held.push_back(walled(kMiB));
  for (const Walled& pair : held) {
    if (!pair.holds()) GTEST_SKIP() << "the neighbours lie elsewhere";
  }
  void* const first = resize_large(number_of(held[0].object), kMiB + kGranuleSize);
  if (first == nullptr) GTEST_SKIP() << "the kernel moves no pages";
  held[0].object = first;
  const uint32_t allowed = std::exchange(moved_runs.most, kMost);
  uint32_t moved = 1;
  for (size_t i = 1; i < kObjects; ++i) {
    void* const object = resize_large(number_of(held[i].object), kMiB + kGranuleSize);
    if (object == nullptr) continue;
    ++moved;
    held[i].object = object;
  }
  EXPECT_EQ(moved, kMost);
  EXPECT_EQ(moved_runs.live.load(), kMost);
  // Refused by resize_large, realloc copies.
  char* copied = static_cast<char*>(held[kObjects - 1].object);
  copied[kMiB - 1] = 7;
  copied = static_cast<char*>(reallocate(copied, 2 * kMiB));
  ASSERT_NE(copied, nullptr);
  EXPECT_EQ(copied[kMiB - 1], 7);
  EXPECT_EQ(moved_runs.live.load(), kMost);
  held[kObjects - 1].object = copied;
  // One that goes makes room for one.
  release(held[0].object);
  EXPECT_EQ(moved_runs.live.load(), kMost - 1);
  held[0].object = resize_large(number_of(held[kObjects - 2].object), 2 * kMiB);
  EXPECT_NE(held[0].object, nullptr);
  held[kObjects - 2].object = nullptr;
  EXPECT_EQ(moved_runs.live.load(), kMost);
  for (const Walled& pair : held) {
    if (pair.object) release(pair.object);
    release(pair.wall);
  }
  trim();
  EXPECT_EQ(moved_runs.live.load(), 0u);
  moved_runs.most = allowed;
}

// A run that moves again, or gives its end back, leaves no mapping behind: what it leaves merges with its neighbours.
TEST_F(LargeTest, MovedRunsLeaveNoMappingsBehind) {
  constexpr uint32_t kObjects = 20;
  trim();
  const size_t before = mappings();
  std::vector<void*> walls;
  std::vector<void*> objects;
  for (uint32_t i = 0; i < kObjects; ++i) {
    void* object = allocate_large(root_tenant, kMiB, 1, Fill::kAny);
    for (size_t size = kMiB; size <= 3 * kMiB; size += kMiB / 4) {
      walls.push_back(allocate_large(root_tenant, kGranuleSize, 1, Fill::kAny));
      if (void* const resized = resize_large(number_of(object), size)) object = resized;
      static_cast<char*>(object)[size - 1] = 1;
    }
    objects.push_back(object);
  }
  for (void* const object : objects) {
    EXPECT_EQ(resize_large(number_of(object), kMiB), object);
    __builtin_memset(object, 1, kMiB);
  }
  EXPECT_LE(moved_runs.live.load(), kObjects);
  for (void* const object : objects) release(object);
  for (void* const wall : walls) release(wall);
  trim();
  EXPECT_EQ(moved_runs.live.load(), 0u);
  EXPECT_LE(mappings(), before + kObjects);
}

TEST_F(LargeTest, ImpossibleResizesChangeNothing) {
  void* const object = allocate_large(root_tenant, 4 * kGranuleSize, 1, Fill::kAny);
  const uint32_t number = number_of(object);
  for (const size_t size :
       {size_t{1} << 45, size_t{1} << 47, static_cast<size_t>(PTRDIFF_MAX), SIZE_MAX}) {
    EXPECT_EQ(resize_large(number, size), nullptr) << size;
    ASSERT_EQ(arena.descriptors.at(number).large_bytes, 4 * kGranuleSize);
  }
  free_large(number);
}

TEST_F(LargeTest, ThreadsKeepWhatTheyWrote) {
  std::atomic<uint32_t> wrong{0};
  run_threads(4, [&](int id) {
    Random random{static_cast<uint64_t>(id) + 1};
    for (int round = 0; round < 400; ++round) {
      const size_t size = (2 + random.below(40)) * kGranuleSize;
      void* object =
          allocate_large(root_tenant, size, 1, random.below(2) ? Fill::kZero : Fill::kAny);
      if (object == nullptr) {
        ++wrong;
        continue;
      }
      const uint32_t number = number_of(object);
      const uint64_t first = *static_cast<uint64_t*>(object) = random.next();
      void* const resized = resize_large(number, (2 + random.below(60)) * kGranuleSize);
      if (resized) object = resized;
      if (*static_cast<uint64_t*>(object) != first) ++wrong;
      const Stamped stamped(object, arena.descriptors.at(number).large_bytes, random.next());
      if (!stamped.intact()) ++wrong;
      free_large(number);
    }
  });
  EXPECT_EQ(wrong.load(), 0u);
}

}  // namespace
}  // namespace tenure
