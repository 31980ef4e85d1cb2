#include "tests/allocator/pages/page_heap_support.h"

#include <vector>

namespace tenure {
namespace {

constexpr uint32_t kChunks = 16;

class PageHeapTest : public testing::Test {
protected:
  void TearDown() override { EXPECT_TRUE(own_.heap.validate()); }

  size_t used() const { return own_.heap.stats().used_bytes / kGranuleSize; }
  size_t dirty() const { return own_.heap.stats().dirty_bytes / kGranuleSize; }

  OwnPageHeap own_{kChunks};
};

TEST_F(PageHeapTest, StartsEmptyAndOpensChunksAsNeeded) {
  EXPECT_EQ(own_.heap.frontier(), 0u);
  EXPECT_FALSE(own_.take(1, 1, Fill::kAny, Growth::kReuse));
  const tenure::Run run = own_.take(1);
  ASSERT_TRUE(run);
  EXPECT_TRUE(run.fresh);
  EXPECT_EQ(own_.heap.frontier(), 1u);
  EXPECT_EQ(own_.units, kChunkSize / kMinAlignment);
  EXPECT_TRUE(own_.heap.is_used(run.granule));
  EXPECT_FALSE(own_.heap.is_used(run.granule + 1));
  EXPECT_EQ(used(), 1u);
}

TEST_F(PageHeapTest, EverySizeAndAlignment) {
  for (uint32_t alignment = 1; alignment <= 4 * kChunkGranules; alignment *= 2) {
    for (const uint32_t granules : {1u, 2u, 3u, 7u, 31u, 63u, 64u, 65u, 100u, 128u, 200u}) {
      const tenure::Run run = own_.take(granules, alignment);
      ASSERT_TRUE(run) << granules << " " << alignment;
      ASSERT_EQ(run.granules, granules);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(own_.heap.address(run.granule)) %
                    (alignment * kGranuleSize),
                0u);
      ASSERT_EQ(used(), granules);
      for (uint32_t i = 0; i < granules; ++i) ASSERT_TRUE(own_.heap.is_used(run.granule + i));
      own_.fill(run, 7);
      own_.heap.release(run.granule, granules);
      ASSERT_EQ(used(), 0u);
      ASSERT_TRUE(own_.heap.validate());
    }
  }
}

TEST_F(PageHeapTest, RunsDoNotOverlapAndFillTheArena) {
  std::vector<tenure::Run> runs;
  for (uint32_t turn = 0;; ++turn) {
    const tenure::Run run = own_.take(turn % 5 + 1);
    if (!run) break;
    own_.fill(run, run.granule + 1);
    runs.push_back(run);
  }
  while (const tenure::Run run = own_.take(1)) {
    own_.fill(run, run.granule + 1);
    runs.push_back(run);
  }
  EXPECT_EQ(used(), kChunks * kChunkGranules);
  for (const tenure::Run& run : runs) EXPECT_TRUE(own_.holds(run, run.granule + 1));
  for (const tenure::Run& run : runs) own_.heap.release(run.granule, run.granules);
  EXPECT_EQ(used(), 0u);
}

TEST_F(PageHeapTest, ImpossibleRunsAreRefused) {
  EXPECT_FALSE(own_.take(kChunks * kChunkGranules + 1));
  EXPECT_FALSE(own_.take(UINT32_MAX / 2));
  const tenure::Run all = own_.take(kChunks * kChunkGranules);
  ASSERT_TRUE(all);
  EXPECT_FALSE(own_.take(1));
  own_.heap.release(all.granule, all.granules);
}

TEST_F(PageHeapTest, ReuseNeverOpensAChunk) {
  const tenure::Run run = own_.take(40);
  EXPECT_FALSE(own_.take(40, 1, Fill::kAny, Growth::kReuse));
  EXPECT_FALSE(own_.take(65, 1, Fill::kAny, Growth::kReuse));
  EXPECT_TRUE(own_.take(24, 1, Fill::kAny, Growth::kReuse));
  EXPECT_EQ(own_.heap.frontier(), 1u);
  EXPECT_EQ(run.granules, 40u);
}

TEST_F(PageHeapTest, FullestChunkIsTakenFirst) {
  const tenure::Run first = own_.take(30), second = own_.take(50);
  ASSERT_NE(first.granule / kChunkGranules, second.granule / kChunkGranules);
  EXPECT_EQ(own_.take(8).granule / kChunkGranules, second.granule / kChunkGranules);
  EXPECT_EQ(own_.take(30).granule / kChunkGranules, first.granule / kChunkGranules);
}

TEST_F(PageHeapTest, DirtyMemoryIsPreferred) {
  const tenure::Run cold = own_.take(8), warm = own_.take(8), rest = own_.take(40);
  own_.heap.release(cold.granule, 8, true);
  own_.heap.release(warm.granule, 8);
  EXPECT_EQ(own_.take(4).granule, warm.granule);
  EXPECT_EQ(rest.granules, 40u);
}

TEST_F(PageHeapTest, ZeroFillWritesOnlyWhatMayNotBeZero) {
  tenure::Run run = own_.take(8, 1, Fill::kZero);
  EXPECT_TRUE(run.fresh);
  own_.fill(run, 7);
  own_.heap.release(run.granule, 8);
  run = own_.take(16, 1, Fill::kZero);  // Partly dirty.
  EXPECT_FALSE(run.fresh);
  EXPECT_TRUE(own_.holds(run, 0));
  own_.fill(run, 7);
  own_.heap.release(run.granule, 16);
  run = own_.take(2 * kChunkGranules + 3, 1, Fill::kZero);
  EXPECT_TRUE(own_.holds(run, 0));
}

TEST_F(PageHeapTest, AnyFillKeepsWhatWasThere) {
  const tenure::Run run = own_.take(4);
  own_.fill(run, 7);
  own_.heap.release(run.granule, 4);
  const tenure::Run again = own_.take(4);
  ASSERT_EQ(again.granule, run.granule);
  EXPECT_FALSE(again.fresh);
  EXPECT_TRUE(own_.holds(again, 7));
}

TEST_F(PageHeapTest, PartsCanBeReleased) {
  const tenure::Run run = own_.take(3 * kChunkGranules);
  own_.fill(run, 7);
  own_.heap.release(run.granule + 30, 100);
  EXPECT_EQ(used(), 3 * kChunkGranules - 100);
  EXPECT_TRUE(own_.heap.validate());
  EXPECT_TRUE(own_.holds({run.granule, 30}, 7));
  EXPECT_TRUE(own_.holds({run.granule + 130, 62}, 7));
  EXPECT_TRUE(own_.heap.is_used(run.granule + 29));
  EXPECT_FALSE(own_.heap.is_used(run.granule + 30));
  EXPECT_FALSE(own_.heap.is_used(run.granule + 129));
  EXPECT_TRUE(own_.heap.is_used(run.granule + 130));
  own_.heap.release(run.granule, 30);
  own_.heap.release(run.granule + 130, 62);
  EXPECT_EQ(used(), 0u);
}

TEST_F(PageHeapTest, ExtendsInPlace) {
  const tenure::Run run = own_.take(10);
  own_.fill(run, 7);
  ASSERT_TRUE(own_.heap.extend(run.granule, 10, 50));
  ASSERT_TRUE(own_.heap.extend(run.granule, 50, 200));  // Across chunks, and beyond the frontier.
  EXPECT_EQ(used(), 200u);
  EXPECT_TRUE(own_.holds(run, 7));
  own_.fill({run.granule, 200}, 8);
  EXPECT_TRUE(own_.heap.validate());
  own_.heap.release(run.granule, 200);
  EXPECT_EQ(used(), 0u);
}

TEST_F(PageHeapTest, RefusedExtensionChangesNothing) {
  const tenure::Run run = own_.take(kChunkGranules), wall = own_.take(2 * kChunkGranules);
  ASSERT_EQ(wall.granule, run.granule + kChunkGranules);
  own_.heap.release(wall.granule, kChunkGranules + 1);  // The obstacle lies in the second chunk.
  const size_t before = used();
  EXPECT_FALSE(own_.heap.extend(run.granule, kChunkGranules, 2 * kChunkGranules + 2));
  EXPECT_EQ(used(), before);
  EXPECT_TRUE(own_.heap.validate());
  EXPECT_FALSE(own_.heap.extend(run.granule, kChunkGranules, kChunks * kChunkGranules + 1));
  EXPECT_EQ(used(), before);
  EXPECT_TRUE(own_.heap.extend(run.granule, kChunkGranules, 2 * kChunkGranules + 1));
}

TEST_F(PageHeapTest, PurgeReturnsFreeMemoryOnly) {
  const tenure::Run kept = own_.take(5), gone = own_.take(6);
  own_.fill(kept, 7);
  own_.fill(gone, 8);
  EXPECT_EQ(own_.heap.purge_free(SIZE_MAX), 0u);
  own_.heap.release(gone.granule, 6);
  EXPECT_EQ(dirty(), 6u);
  EXPECT_EQ(own_.heap.purge_free(SIZE_MAX), 6 * kGranuleSize);
  EXPECT_EQ(dirty(), 0u);
  EXPECT_EQ(used(), 5u);
  EXPECT_TRUE(own_.holds(gone, 0));
  EXPECT_TRUE(own_.holds(kept, 7));
  EXPECT_EQ(own_.heap.purge_free(SIZE_MAX), 0u);
  EXPECT_TRUE(own_.take(6).fresh);
}

TEST_F(PageHeapTest, PurgeStopsAtItsBudgetAndBeginsAtTheEnd) {
  const auto low = own_.take(2 * kChunkGranules);
  const auto high = own_.take(2 * kChunkGranules);
  ASSERT_GT(high.granule, low.granule);
  own_.heap.release(low.granule, low.granules);
  own_.heap.release(high.granule, high.granules);
  EXPECT_EQ(own_.heap.purge_free(1), kStretchSize);
  EXPECT_EQ(own_.heap.purge_free(kStretchSize + 1), 2 * kStretchSize);
  EXPECT_EQ(own_.heap.purge_free(kStretchSize), kStretchSize);
  EXPECT_FALSE(own_.take(2 * kChunkGranules).fresh) << "not from the end";
  EXPECT_EQ(own_.heap.purge_free(SIZE_MAX), 0u);
}

TEST_F(PageHeapTest, ResidentIsWhatIsUsedOrDirty) {
  const auto expect = [this](size_t granules) {
    EXPECT_EQ(own_.heap.resident_bytes(), granules * kGranuleSize);
    const PageHeapStats stats = own_.heap.stats();
    EXPECT_EQ(stats.used_bytes + stats.dirty_bytes, granules * kGranuleSize);
  };
  expect(0);
  const auto a = own_.take(6);
  EXPECT_TRUE(a.grown);
  expect(6);
  own_.heap.release(a.granule, 6);
  expect(6);
  EXPECT_FALSE(own_.take(4).grown);
  const auto b = own_.take(5);  // Two of them lay there dirty.
  EXPECT_TRUE(b.grown);
  EXPECT_FALSE(b.fresh);
  expect(9);
  ASSERT_TRUE(own_.heap.extend(b.granule, 5, 8));
  expect(12);
  own_.heap.release(b.granule, 8, true);
  expect(4);
  own_.heap.release(a.granule, 4);
  own_.heap.purge_free(SIZE_MAX);
  expect(0);
}

TEST_F(PageHeapTest, IdleMeansFreeSinceTheLastLook) {
  const tenure::Run first = own_.take(6), second = own_.take(6);
  own_.heap.release(first.granule, 6);
  EXPECT_EQ(own_.sweep(), 0u);  // Only notes it.
  own_.heap.release(second.granule, 6);
  EXPECT_EQ(own_.sweep(), 6 * kGranuleSize);
  EXPECT_EQ(dirty(), 6u);
  EXPECT_EQ(own_.sweep(), 6 * kGranuleSize);
  EXPECT_EQ(own_.sweep(), 0u);
}

TEST_F(PageHeapTest, UseEndsIdleness) {
  const tenure::Run run = own_.take(6);
  own_.heap.release(run.granule, 6);
  EXPECT_EQ(own_.sweep(), 0u);
  ASSERT_EQ(own_.take(6).granule, run.granule);
  own_.fill(run, 7);
  EXPECT_EQ(own_.sweep(), 0u);
  EXPECT_TRUE(own_.holds(run, 7));
  own_.heap.release(run.granule, 6);
  EXPECT_EQ(own_.sweep(), 0u) << "it was used since the last look but one";
  EXPECT_EQ(own_.sweep(), 6 * kGranuleSize);
}

TEST_F(PageHeapTest, AStretchIsSweptByItself) {
  const tenure::Run run = own_.take(kChunkGranules);
  own_.heap.release(run.granule, run.granules);
  const uint32_t first = run.granule / kStretchGranules;
  EXPECT_EQ(own_.heap.sweep(first), 0u);
  EXPECT_EQ(own_.heap.sweep(first), kStretchSize);
  EXPECT_EQ(own_.heap.sweep(first + 1), 0u) << "nobody has noted that it is free";
  EXPECT_EQ(dirty(), kStretchGranules);
  EXPECT_EQ(own_.heap.sweep(first), 0u);
  EXPECT_EQ(own_.heap.sweep(first + 1), kStretchSize) << "the other one's sweep has forgotten it";
  EXPECT_EQ(dirty(), 0u);
}

TEST_F(PageHeapTest, FreeBytesAreThoseOfFreeDirtyGranules) {
  const auto expect = [this](size_t granules) {
    EXPECT_EQ(own_.heap.free_bytes(), granules * kGranuleSize);
    EXPECT_EQ(own_.heap.stats().dirty_bytes, granules * kGranuleSize);
  };
  expect(0);
  const auto a = own_.take(6), b = own_.take(70);
  expect(0);
  own_.heap.release(a.granule, 6);
  expect(6);
  own_.heap.release(b.granule + 60, 10);
  expect(16);
  ASSERT_TRUE(own_.heap.extend(b.granule, 60, 65));
  expect(11);
  own_.heap.release(b.granule, 65, true);
  expect(11);
  own_.take(4);
  expect(7);
  own_.heap.purge_free(SIZE_MAX);
  expect(0);
  own_.take(6);
  expect(0);
}

TEST_F(PageHeapTest, PurgedReleaseIsFreshAgain) {
  const tenure::Run run = own_.take(4);
  own_.fill(run, 7);
  ASSERT_TRUE(os::purge(own_.heap.address(run.granule), 4 * kGranuleSize));
  own_.heap.release(run.granule, 4, true);
  EXPECT_EQ(dirty(), 0u);
  const tenure::Run again = own_.take(4, 1, Fill::kZero);
  EXPECT_EQ(again.granule, run.granule);
  EXPECT_TRUE(again.fresh);
  EXPECT_TRUE(own_.holds(again, 0));
}

TEST_F(PageHeapTest, SkippedChunksBeforeAnAlignedRunAreFree) {
  const tenure::Run small = own_.take(1);
  const tenure::Run aligned = own_.take(kChunkGranules, 8 * kChunkGranules);
  EXPECT_EQ(aligned.granule, 8 * kChunkGranules);
  EXPECT_TRUE(own_.heap.validate());
  EXPECT_LT(own_.take(kChunkGranules).granule, aligned.granule);
  EXPECT_EQ(small.granule, 0u);
  EXPECT_EQ(own_.heap.frontier(), 9u);
}

// The arena need not start at a multiple of the alignment.
TEST(PageHeapSkewed, AddressesAreAligned) {
  for (uint32_t skew = 1; skew < 8; ++skew) {
    OwnPageHeap own(32, HugePageMode::kOff, skew);
    for (uint32_t chunks = 1; chunks <= 8; chunks *= 2) {
      const tenure::Run run = own.take(3, chunks * kChunkGranules);
      ASSERT_TRUE(run);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(own.heap.address(run.granule)) % (chunks * kChunkSize),
                0u);
      EXPECT_TRUE(own.heap.validate());
    }
  }
}

TEST(PageHeapHuge, OnlyWholeChunksArePurged) {
  OwnPageHeap own(4, HugePageMode::kOn);
  const tenure::Run a = own.take(32), b = own.take(32);
  own.fill(a, 7);
  own.heap.release(a.granule, 32);
  EXPECT_EQ(own.heap.purge_free(SIZE_MAX), 0u);
  EXPECT_TRUE(own.holds(a, 7));
  own.heap.release(b.granule, 32);
  EXPECT_EQ(own.heap.purge_free(SIZE_MAX), kChunkSize);
  EXPECT_TRUE(own.holds(a, 0));
  EXPECT_TRUE(own.heap.validate());
}

}  // namespace
}  // namespace tenure
