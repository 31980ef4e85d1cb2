// Which chunks lie in huge pages: the decision, and what a page heap makes of it.
#include "allocator/pages/huge_pages.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "tests/allocator/pages/page_heap_support.h"

namespace tenure {
namespace {

// A heap that opens one chunk after the other.
class Opening {
public:
  bool open(uint32_t chunks = 1) {
    const HugePageDecision decision =
        decide_huge_pages(trust_, end_, end_ + chunks, [&](uint32_t i) {
          EXPECT_LT(i, end_) << "looked at before it was opened";
          looked_.push_back(i);
          return filled;
        });
    trust_ = decision.trust;
    end_ += chunks;
    return decision.huge;
  }
  uint32_t open_many(uint32_t chunks) {
    uint32_t huge = 0;
    while (chunks-- > 0) huge += open();
    return huge;
  }
  uint32_t end() const { return end_; }
  const std::vector<uint32_t>& looked() const { return looked_; }
  bool filled = true;

private:
  HugePageTrust trust_{0, 0, 1};
  uint32_t end_ = 0;
  std::vector<uint32_t> looked_;
};

TEST(HugePageDecision, SmallHeapsHaveNone) {
  Opening heap;
  EXPECT_EQ(heap.open_many(kSmallHeapChunks), 0u);
  EXPECT_TRUE(heap.looked().empty());
}

TEST(HugePageDecision, GrownOnesHaveMostlyHugePages) {
  Opening heap;
  heap.open_many(kSmallHeapChunks);
  EXPECT_GE(heap.open_many(100), 85u);
  // The larger, the fewer probes.
  EXPECT_GE(heap.open_many(10000), 9900u);
  EXPECT_LT(heap.looked().size(), 80u);
}

TEST(HugePageDecision, SparseOnesHaveNone) {
  Opening heap;
  heap.filled = false;
  EXPECT_EQ(heap.open_many(1000), 0u);
}

TEST(HugePageDecision, TrustEndsAfterAnEighth) {
  for (const uint32_t before : {40u, 400u, 4000u}) {
    Opening heap;
    heap.open_many(before);
    heap.filled = false;
    EXPECT_LE(heap.open_many(before), std::max(before / 8, kLeastTrusted) + 2) << before;
    EXPECT_EQ(heap.open_many(before), 0u) << before;
    heap.filled = true;
    EXPECT_GE(heap.open_many(100), 80u) << before;
  }
}

TEST(HugePageDecision, TheProbeIsUsedUpWhenItIsLookedAt) {
  Opening heap;
  for (int i = 0; i < 200; ++i) {
    const uint32_t opened = heap.end();
    const size_t looks = heap.looked().size();
    heap.open();
    if (heap.looked().size() != looks) EXPECT_LE(heap.looked().back() + 2, opened);
  }
}

TEST(HugePageDecision, RunsLongerThanTheTrustHaveNone) {
  Opening heap;
  heap.open_many(20);
  EXPECT_FALSE(heap.open(64));
  heap.open_many(4);
  EXPECT_TRUE(heap.open(4));
  // One that is within: a large heap.
  heap.open_many(2000);
  uint32_t huge = 0;
  for (int i = 0; i < 10; ++i) huge += heap.open(20);
  EXPECT_GE(huge, 7u);
}

class HugePagesTest : public ::testing::Test {
protected:
  void SetUp() override {
    if (!os::huge_pages_available()) GTEST_SKIP() << "no huge pages on this machine";
  }

  // What the kernel has been asked for ("hg", "nh": VmFlags in smaps), for the page at the start of each chunk.
  std::string advice() const {
    std::ifstream smaps("/proc/self/smaps");
    std::string flags(own_.heap.frontier(), '-');
    uint64_t start = 0, end = 0;
    for (std::string line; std::getline(smaps, line);) {
      uint64_t from, to;  // "Fi" of a field's name is a number as well.
      if (sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) start = from, end = to;
      if (!line.starts_with("VmFlags:")) continue;
      for (uint32_t i = 0; i < flags.size(); ++i) {
        const auto at = reinterpret_cast<uint64_t>(own_.words(i * kChunkGranules));
        if (at < start || at >= end) continue;
        flags[i] = line.find(" hg") != std::string::npos   ? 'h'
                   : line.find(" nh") != std::string::npos ? 'n'
                                                           : '-';
      }
    }
    return flags;
  }
  static size_t huge_in(const std::string& flags) {
    return static_cast<size_t>(std::count(flags.begin(), flags.end(), 'h'));
  }
  size_t resident(uint32_t chunk) const {
    return os::resident_pages(own_.words(chunk * kChunkGranules), kChunkSize) * kPageSize;
  }
  // Runs that fill `chunks` chunks, and all of their pages.
  std::vector<tenure::Run> grow(uint32_t chunks, uint32_t granules = 4) {
    std::vector<tenure::Run> runs;
    for (uint32_t i = 0; i < chunks * kChunkGranules / granules; ++i) {
      runs.push_back(own_.take(granules));
      own_.fill(runs.back(), 7);
    }
    return runs;
  }
  // The runs that lie in the chunk, but for those that `kept` says.
  template <typename Kept>
  void release(const std::vector<tenure::Run>& runs, uint32_t chunk, Kept kept) {
    for (const tenure::Run& run : runs) {
      if (run.granule / kChunkGranules == chunk && !kept(run))
        own_.heap.release(run.granule, run.granules);
    }
  }
  // A chunk in huge pages.
  uint32_t a_huge_one() const { return static_cast<uint32_t>(advice().find('h')); }

  OwnPageHeap own_{64, HugePageMode::kAuto};
};

constexpr auto kNone = [](const tenure::Run&) { return false; };

TEST_F(HugePagesTest, WhereAHeapGrowsAndFillsItsChunks) {
  grow(kSmallHeapChunks);
  EXPECT_EQ(advice(), std::string(kSmallHeapChunks, 'n'))
      << "also where the system gives them to all";
  grow(20);
  EXPECT_GE(huge_in(advice()), 16u) << advice();
}

TEST_F(HugePagesTest, NotWhereChunksStaySparse) {
  for (uint32_t i = 0; i < 28 * 4; ++i) own_.words(own_.take(16).granule)[0] = 1;
  EXPECT_EQ(huge_in(advice()), 0u) << advice();
}

TEST_F(HugePagesTest, NotForMemoryNobodyWritesTo) {
  const tenure::Run table = own_.take(24 * kChunkGranules);
  grow(2);
  EXPECT_EQ(huge_in(advice()), 0u) << advice();
  own_.heap.release(table.granule, table.granules);
}

TEST_F(HugePagesTest, PartsReturnAndAreNotFilledAgain) {
  const std::vector<tenure::Run> runs = grow(28);
  const uint32_t chunk = a_huge_one();
  const auto kept = [](const tenure::Run& run) { return run.granule % 16 == 0; };
  release(runs, chunk, kept);
  own_.sweep();
  own_.sweep();
  EXPECT_LE(resident(chunk), kChunkSize / 4);
  EXPECT_EQ(advice()[chunk], 'n');
  for (const tenure::Run& run : runs) {
    if (run.granule / kChunkGranules != chunk || kept(run)) EXPECT_TRUE(own_.holds(run, 7));
  }
  // What is taken there is zero.
  const tenure::Run again = own_.take(12, 1, Fill::kZero, Growth::kReuse);
  EXPECT_TRUE(own_.holds(again, 0));
  EXPECT_TRUE(own_.heap.validate());
}

TEST_F(HugePagesTest, APageOfARunReturnsAndWhatIsFreeBesideIt) {
  const std::vector<tenure::Run> runs = grow(28);
  const uint32_t chunk = a_huge_one();
  const auto kept = [](const tenure::Run& run) { return run.granule % kChunkGranules < 32; };
  release(runs, chunk, kept);
  const size_t before = resident(chunk);
  EXPECT_EQ(before, kChunkSize);
  EXPECT_TRUE(own_.heap.in_huge_page(chunk * kChunkGranules));
  EXPECT_TRUE(own_.heap.return_part(chunk * kChunkGranules, 3 * kPageSize, 2 * kPageSize));
  EXPECT_FALSE(own_.heap.in_huge_page(chunk * kChunkGranules));
  EXPECT_EQ(resident(chunk), kChunkSize / 2 - 2 * kPageSize);
  EXPECT_EQ(advice()[chunk], 'n');
  EXPECT_EQ(own_.words(chunk * kChunkGranules)[2 * kPageSize / 8], 7u);
  EXPECT_EQ(own_.words(chunk * kChunkGranules)[3 * kPageSize / 8], 0u);
  EXPECT_EQ(own_.words(chunk * kChunkGranules)[5 * kPageSize / 8], 7u);
  EXPECT_TRUE(own_.heap.validate());
}

TEST_F(HugePagesTest, AFewFreeGranulesSplitNone) {
  const std::vector<tenure::Run> runs = grow(28, 1);
  const uint32_t chunk = a_huge_one();
  release(runs, chunk, [](const tenure::Run& run) { return run.granule % kChunkGranules >= 3; });
  for (int i = 0; i < 4; ++i) own_.sweep();
  EXPECT_EQ(resident(chunk), kChunkSize);
  EXPECT_EQ(advice()[chunk], 'h');
  EXPECT_NE(own_.heap.purge_free(SIZE_MAX), 0u) << "a trim returns all";
  EXPECT_EQ(resident(chunk), kChunkSize - 3 * kGranuleSize);
}

TEST_F(HugePagesTest, WhatIsUsedAgainSplitsNone) {
  const std::vector<tenure::Run> runs = grow(28);
  const uint32_t chunk = a_huge_one();
  release(runs, chunk, [](const tenure::Run& run) { return run.granule % kChunkGranules >= 32; });
  for (int i = 0; i < 4; ++i) {
    own_.sweep();
    const tenure::Run run = own_.take(24, 1, Fill::kAny, Growth::kReuse);
    ASSERT_EQ(run.granule / kChunkGranules, chunk);
    own_.heap.release(run.granule, run.granules);
  }
  EXPECT_EQ(resident(chunk), kChunkSize);
}

// Also what was never handed out of it, which is resident as well.
TEST_F(HugePagesTest, TheLastChunkReturnsWhatNobodyTook) {
  grow(kSmallHeapChunks + 4);
  const tenure::Run run = own_.take(2);
  own_.fill(run, 7);
  const uint32_t chunk = run.granule / kChunkGranules;
  ASSERT_EQ(advice()[chunk], 'h');
  own_.sweep();
  own_.sweep();
  EXPECT_LE(resident(chunk), 2 * kGranuleSize);
  EXPECT_TRUE(own_.holds(run, 7));
}

TEST_F(HugePagesTest, AWholeOneReturnsInOnePiece) {
  const std::vector<tenure::Run> runs = grow(28);
  const uint32_t chunk = a_huge_one();
  release(runs, chunk, kNone);
  own_.sweep();
  EXPECT_EQ(own_.sweep(), kChunkSize);
  EXPECT_EQ(resident(chunk), 0u);
  EXPECT_EQ(advice()[chunk], 'h');
  EXPECT_EQ(own_.heap.stats().dirty_bytes, 0u);
}

TEST_F(HugePagesTest, OneThatWasSplitIsWholeAgainWhenAllOfItHasReturned) {
  const std::vector<tenure::Run> runs = grow(28);
  const uint32_t chunk = a_huge_one();
  const auto kept = [](const tenure::Run& run) { return run.granule % kChunkGranules == 0; };
  release(runs, chunk, kept);
  own_.heap.purge_free(SIZE_MAX);
  ASSERT_EQ(advice()[chunk], 'n');
  release(runs, chunk, [&](const tenure::Run& run) { return !kept(run); });
  own_.heap.purge_free(SIZE_MAX);
  EXPECT_EQ(advice()[chunk], 'h');
}

// realloc moves page tables, which lie in one mapping.
TEST_F(HugePagesTest, ALongRunHasOneAdvice) {
  const std::vector<tenure::Run> runs = grow(40);
  for (uint32_t chunk = 0; chunk < 40; ++chunk) release(runs, chunk, kNone);
  const std::string before = advice().substr(0, 40);
  ASSERT_NE(before.find('h'), std::string::npos);
  ASSERT_NE(before.find('n'), std::string::npos);
  const tenure::Run run = own_.take(30 * kChunkGranules);
  EXPECT_EQ(run.granule, 0u);
  EXPECT_EQ(advice().substr(0, 30), std::string(30, advice()[0]));
  ASSERT_TRUE(own_.heap.extend(run.granule, run.granules, 39 * kChunkGranules));
  EXPECT_EQ(advice().substr(0, 39), std::string(39, advice()[0]));
}

TEST_F(HugePagesTest, AdviceIsRestored) {
  grow(28);
  const std::string before = advice();
  ASSERT_TRUE(os::remap_fresh(own_.words(0), 28 * kChunkSize));
  ASSERT_NE(advice(), before);
  own_.heap.restore_advice(0, 28 * kChunkGranules);
  EXPECT_EQ(advice(), before);
}

}  // namespace
}  // namespace tenure
