// The page heap under threads: every granule has one owner at a time, and keeps what its owner wrote.
#include <vector>

#include "tests/allocator/heap_support.h"
#include "tests/allocator/pages/page_heap_support.h"

namespace tenure {
namespace {

class PageHeapThreads : public testing::Test {
protected:
  static constexpr uint32_t kChunks = 24;

  void TearDown() override {
    EXPECT_EQ(wrong_.load(), 0u);
    EXPECT_EQ(own_.heap.stats().used_bytes, 0u);
    EXPECT_TRUE(own_.heap.validate());
    // Nothing is lost: all chunks that were opened come back as one run.
    if (own_.heap.frontier() == 0) return;
    EXPECT_TRUE(own_.take(own_.heap.frontier() * kChunkGranules, 1, Fill::kAny, Growth::kReuse));
  }

  static uint64_t stamp(uint32_t granule, uint32_t id) {
    return (uint64_t{id} << 32 | granule) + 1;
  }

  void claim(uint32_t granule, uint32_t granules, uint32_t id) {
    for (uint32_t i = granule; i < granule + granules; ++i) {
      if (owner_[i].exchange(id) != 0) ++wrong_;
      *own_.words(i) = stamp(i, id);
    }
  }
  void check(uint32_t granule, uint32_t granules, uint32_t id) {
    for (uint32_t i = granule; i < granule + granules; ++i) {
      if (*own_.words(i) != stamp(i, id)) ++wrong_;
    }
  }
  void give(uint32_t granule, uint32_t granules, uint32_t id) {
    check(granule, granules, id);
    for (uint32_t i = granule; i < granule + granules; ++i) {
      if (owner_[i].exchange(0) != id) ++wrong_;
    }
    own_.heap.release(granule, granules);
  }

  // `sizes` granules at most; a few runs held at a time.
  void churn(uint32_t id, uint32_t rounds, uint32_t sizes, uint32_t alignments) {
    Random random{id};
    std::vector<tenure::Run> held;
    for (uint32_t round = 0; round < rounds; ++round) {
      if (held.size() < 6 && random.below(3) != 0) {
        const Fill fill = random.below(4) == 0 ? Fill::kZero : Fill::kAny;
        const uint32_t alignment = 1u << random.below(alignments);
        const tenure::Run run = own_.take(1 + random.below(sizes), alignment, fill);
        if (!run) continue;  // The arena is full at the moment.
        if (run.granule % alignment != 0) ++wrong_;
        if ((fill == Fill::kZero || run.fresh) && !own_.holds(run, 0)) ++wrong_;
        claim(run.granule, run.granules, id);
        held.push_back(run);
        continue;
      }
      if (held.empty()) continue;
      tenure::Run& run = held[random.below(static_cast<uint32_t>(held.size()))];
      const uint32_t more = 1 + random.below(sizes);
      switch (random.below(4)) {
      case 0:
        if (own_.heap.extend(run.granule, run.granules, run.granules + more)) {
          claim(run.granule + run.granules, more, id);
          run.granules += more;
        }
        break;
      case 1:
        if (run.granules > 1) {
          const uint32_t kept = 1 + random.below(run.granules - 1);
          give(run.granule + kept, run.granules - kept, id);
          run.granules = kept;
        }
        break;
      default:
        give(run.granule, run.granules, id);
        run = held.back();
        held.pop_back();
      }
    }
    for (const tenure::Run& run : held) give(run.granule, run.granules, id);
  }

  OwnPageHeap own_{kChunks};
  std::vector<std::atomic<uint32_t>> owner_ =
      std::vector<std::atomic<uint32_t>>(kChunks * kChunkGranules);
  std::atomic<uint32_t> wrong_{0};
};

TEST_F(PageHeapThreads, SmallRuns) {
  run_threads(4, [&](int i) { churn(static_cast<uint32_t>(i + 1), 20000, 8, 3); });
}

TEST_F(PageHeapThreads, RunsOfChunks) {
  run_threads(4, [&](int i) { churn(static_cast<uint32_t>(i + 1), 1500, 3 * kChunkGranules, 1); });
}

TEST_F(PageHeapThreads, AllSizesWhileOthersPurge) {
  std::atomic<bool> stop{false};
  std::thread purger([&] {
    while (!stop.load()) {
      own_.sweep();
      own_.heap.purge_free(SIZE_MAX);
    }
  });
  run_threads(3, [&](int i) {
    const auto id = static_cast<uint32_t>(i + 1);
    churn(id, 1500, i == 0 ? 2 * kChunkGranules : 20, 4);
  });
  stop = true;
  purger.join();
}

// Chunks that a failed claim opened at the frontier must not be forgotten.
TEST_F(PageHeapThreads, AlignedRunsRaceAtTheFrontier) {
  for (int round = 0; round < 300; ++round) {
    OwnPageHeap own(kChunks);
    run_threads(3, [&](int i) {
      const uint32_t alignment = i == 0 ? 4 * kChunkGranules : i == 1 ? 1 : 2 * kChunkGranules;
      for (int k = 0; k < 3; ++k) {
        const tenure::Run run =
            own.take((2 + static_cast<uint32_t>(i)) * kChunkGranules + 1, alignment);
        if (run && run.granule % alignment != 0) ++wrong_;
      }
    });
    ASSERT_TRUE(own.heap.validate()) << "round " << round;
  }
}

}  // namespace
}  // namespace tenure
