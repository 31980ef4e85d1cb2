#include "allocator/upkeep/decay.h"
#include "allocator/upkeep/reclaim.h"

#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "allocator/fronts/depots.h"
#include "tests/allocator/heap_support.h"

namespace {
// The decay clock in milliseconds. It stands still but where a test moves it: a look at the decay on
// a slow machine would change what other tests count on.
constexpr int64_t kStandstill = 1000 * 1000;
constinit std::atomic<int64_t> held_clock{kStandstill};
}  // namespace

// Stands before libc's: the decay clock goes as tests say, so that nobody waits for it.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (clock == CLOCK_MONOTONIC_COARSE) {
    const int64_t ms = held_clock.load();
    *time = {ms / 1000, ms % 1000 * 1000000};
    return 0;
  }
  return static_cast<int>(syscall(SYS_clock_gettime, clock, time));
}

namespace tenure {
namespace {

class ReclaimTest : public HeapTest {
protected:
  void SetUp() override {
    HeapTest::SetUp();
    saved_ = arena.settings;
    arena.settings.decay_ms = kDecay;
    // Steps of earlier tests are due at most a decay time after the clock they saw.
    held_clock = last + 10 * kDecay;
    poll_decay();
    trim();
  }
  void TearDown() override {
    last = held_clock;
    held_clock = kStandstill;
    arena.settings = saved_;
    HeapTest::TearDown();
  }

  static constexpr int64_t kDecay = 1000;
  static void pass(int64_t ms) {
    // In small steps, as slow paths come by.
    for (int64_t done = 0; done < ms; done += 50) {
      held_clock += 50;
      poll_decay();
    }
  }
  static size_t dirty() {
    HeapStatistics statistics;
    collect_statistics(statistics);
    return statistics.dirty_bytes;
  }
  static uint32_t number_of(const void* object) {
    return arena.page_map.at(granule_of(object)).descriptor.load();
  }

private:
  static inline int64_t last = kStandstill;  // Where the clock stood after the last test.
  Settings saved_{};
};

TEST_F(ReclaimTest, FreePagesReturnInTheDecayTime) {
  if (arena.hardened) GTEST_SKIP() << "large objects are cleared: their pages go at once";
  void* const object = allocate(8 * kMiB);
  deallocate(object);
  EXPECT_GE(dirty(), 8 * kMiB);
  pass(kDecay / 10);
  EXPECT_GE(dirty(), 8 * kMiB) << "too early";
  pass(2 * kDecay);
  EXPECT_EQ(dirty(), 0u);
}

// Not all at one time: what is wanted again soon is still there, at least in part.
TEST_F(ReclaimTest, TheDecayIsACurve) {
  if (arena.hardened) GTEST_SKIP() << "large objects are cleared: their pages go at once";
  deallocate(allocate(16 * kMiB));
  size_t steps = 0;
  for (size_t before = dirty(); before != 0 && steps < 100; ++steps) {
    pass(50);
    const size_t now = dirty();
    EXPECT_LE(before - now, 8 * kMiB);
    before = now;
  }
  EXPECT_LT(steps, 100u);
}

TEST_F(ReclaimTest, WhatIsUsedInBetweenStays) {
  if (arena.hardened) GTEST_SKIP() << "large objects are cleared: their pages go at once";
  deallocate(allocate(8 * kMiB));
  for (int i = 0; i < 50; ++i) {
    pass(100);
    EXPECT_GE(arena.page_heap.resident_bytes(), 8 * kMiB) << i;
    deallocate(allocate(8 * kMiB));
  }
}

// Time stands still: frees alone give back what is beyond a bound.
TEST_F(ReclaimTest, FreesPayAsTheyGo) {
  constexpr size_t kBound = 26 * kMiB;
  for (const size_t size : {size_t{32}, size_t{2000}, size_t{20000}, 100 * kKiB}) {
    std::vector<void*> held;
    for (size_t i = 0; i < 64 * kMiB / size; ++i) held.push_back(memset(allocate(size), 1, size));
    for (void* object : held) {
      deallocate(object);
      ASSERT_LE(arena.page_heap.free_bytes() + cold_bytes(), kBound) << size;
    }
    EXPECT_LE(arena.page_heap.resident_bytes(), kBound + 8 * kMiB) << size;
    trim();
  }
}

TEST_F(ReclaimTest, FreesPayNothingWhereMemoryIsNeverReturned) {
  if (arena.hardened) GTEST_SKIP() << "large objects are cleared: their pages go at once";
  arena.settings.decay_ms = -1;
  std::vector<void*> held;
  for (int i = 0; i < 640; ++i) held.push_back(allocate(100 * kKiB));
  for (void* object : held) deallocate(object);
  EXPECT_GE(dirty(), 64000 * kKiB);
}

TEST_F(ReclaimTest, ZeroEmptiesTheDepots) {
  arena.settings.decay_ms = 0;
  Cache& cache = root_caches[index_of(class_of(2048))];
  std::vector<void*> held;
  for (int i = 0; i < 4000; ++i) held.push_back(allocate(2048));
  for (void* object : held) deallocate(object);
  EXPECT_EQ(chains_in_depots(cache), 0u);
  EXPECT_LE(arena.page_heap.resident_bytes(), 4 * kMiB);
}

// A program that allocates and frees one object now and then works out of its front for ever. Where there is much to return it must
// come by the slow path all the same.
TEST_F(ReclaimTest, OneObjectNowAndThenIsEnough) {
  std::vector<void*> held;
  for (int i = 0; i < 20000; ++i) held.push_back(allocate(2048));
  for (void* object : held) deallocate(object);
  ASSERT_GE(arena.page_heap.resident_bytes(), 20 * kMiB);
  for (int i = 0; i < 30; ++i) {
    held_clock += 100;
    deallocate(allocate(16));
  }
  EXPECT_LE(arena.page_heap.resident_bytes(), 8 * kMiB);
}

// The same of one that does so without a pause.
TEST_F(ReclaimTest, WorkOutOfTheFrontsIsEnough) {
  std::vector<void*> held;
  for (int i = 0; i < 20000; ++i) held.push_back(allocate(2048));
  for (void* object : held) deallocate(object);
  for (int i = 0; i < 500; ++i) {
    held_clock += 4;
    for (int j = 0; j < 300; ++j) {
      void* const objects[] = {allocate(16), allocate(2048)};
      for (void* object : objects) deallocate(object);
    }
  }
  EXPECT_LE(arena.page_heap.resident_bytes(), 8 * kMiB);
}

TEST_F(ReclaimTest, ShrinkingALargeObjectReturnsItsEnd) {
  void* object = memset(allocate(64 * kMiB), 1, 64 * kMiB);
  object = reallocate(object, kMiB);
  EXPECT_LE(arena.page_heap.resident_bytes(), 28 * kMiB);
  pass(2 * kDecay);
  EXPECT_LE(arena.page_heap.resident_bytes(), 4 * kMiB);
  deallocate(object);
}

TEST_F(ReclaimTest, UsedPagesStay) {
  void* const object = allocate(kMiB);
  const Stamped stamped(object, kMiB, 1);
  pass(5 * kDecay);
  trim();
  EXPECT_TRUE(stamped.intact());
  deallocate(object);
}

TEST_F(ReclaimTest, NeverMeansNever) {
  if (arena.hardened) GTEST_SKIP() << "large objects are cleared: their pages go at once";
  arena.settings.decay_ms = -1;
  void* const object = allocate(8 * kMiB);
  deallocate(object);
  pass(10 * kDecay);
  EXPECT_GE(dirty(), 8 * kMiB);
  EXPECT_GE(trim(), 8 * kMiB);
  EXPECT_EQ(dirty(), 0u);
}

TEST_F(ReclaimTest, ZeroMeansAtOnceForLargeObjects) {
  arena.settings.decay_ms = 0;
  void* const object = allocate(8 * kMiB);
  __builtin_memset(object, 7, 8 * kMiB);
  deallocate(object);
  EXPECT_EQ(dirty(), 0u);
}

TEST_F(ReclaimTest, ZeroMeansAtOnceForSlabs) {
  arena.settings.decay_ms = 0;
  Cache& cache = fresh_cache(32768);
  ChainWord chain = create_slab(cache);
  while (true) {
    const ChainWord more = take_from_partial(cache);
    if (!has_objects(more)) break;
    chain = chain_push(first_object(more), chain);
  }
  const size_t before = dirty();
  EXPECT_EQ(give_to_slabs(cache, chain), 1u);
  EXPECT_EQ(dirty(), before);
}

// Each in a program of its own, whose heap starts 2^31 ms, or 24.8 days, after the machine did.
class LongUptime : public testing::Test {
protected:
  void SetUp() override { testing::FLAGS_gtest_death_test_style = "threadsafe"; }

  [[noreturn]] static void run(int64_t decay_ms, void (*release)(int64_t decay_ms)) {
    held_clock = (int64_t{1} << 31) + 1000;
    if (!bootstrap()) _exit(2);
    arena.settings.decay_ms = decay_ms;
    void* const object = allocate(8 * kMiB);
    for (int i = 0; i < 20; ++i) poll_decay();
    deallocate(object);
    release(decay_ms);
    HeapStatistics statistics;
    collect_statistics(statistics);
    _exit(statistics.dirty_bytes == 0 ? 0 : 1);
  }
};

TEST_F(LongUptime, DecayStarts) {
  EXPECT_EXIT(run(1000,
                  [](int64_t decay_ms) {
                    for (int i = 0; i < 40; ++i) {
                      held_clock += decay_ms / 10;
                      poll_decay();
                    }
                  }),
              testing::ExitedWithCode(0), "");
}

TEST_F(LongUptime, TrimWorksWithoutDecay) {
  EXPECT_EXIT(run(-1, [](int64_t) { trim(); }), testing::ExitedWithCode(0), "");
}

TEST_F(ReclaimTest, FlushedDepotsGoBackToSlabs) {
  Cache& cache = root_caches[index_of(class_of(2048))];
  std::vector<void*> held;
  for (int i = 0; i < 400; ++i) held.push_back(allocate(2048));
  for (void* object : held) deallocate(object);
  const uint32_t chains = chains_in_depots(cache);
  ASSERT_GT(chains, 4u);
  flush_depots(cache, 2);
  EXPECT_EQ(chains_in_depots(cache), chains - 2);
  EXPECT_EQ(flush_depots(cache, 0), 0u);
  EXPECT_EQ(chains_in_depots(cache), chains - 2);
  EXPECT_GT(flush_depots(cache, UINT32_MAX), 0u);
  EXPECT_EQ(chains_in_depots(cache), 0u);
}

TEST_F(ReclaimTest, DecayEmptiesWhatCachesHold) {
  Cache& cache = root_caches[index_of(class_of(2048))];
  std::vector<void*> held;
  for (int i = 0; i < 400; ++i) held.push_back(allocate(2048));
  for (void* object : held) deallocate(object);
  ASSERT_GT(chains_in_depots(cache), 4u);
  pass(2 * kDecay);
  EXPECT_EQ(chains_in_depots(cache), 0u);
  EXPECT_EQ(cache.slabs.load(), 0u);
  pass(2 * kDecay);
  EXPECT_EQ(dirty(), 0u);
}

TEST_F(ReclaimTest, DecayGoesOnAfterAMonthOfIdleness) {
  deallocate(allocate(8 * kMiB));
  ASSERT_GT(dirty(), 0u);
  held_clock += (int64_t{1} << 31) + 5 * kDecay;
  pass(3 * kDecay);
  EXPECT_EQ(dirty(), 0u);
}

TEST_F(ReclaimTest, TrimGivesEverythingBack) {
  std::vector<void*> held;
  for (size_t size = 16; size <= kLargestSmall; size *= 2) {
    for (int i = 0; i < 200; ++i) held.push_back(allocate(size));
  }
  for (void* object : held) deallocate(object);
  EXPECT_GT(trim(), kMiB);
  EXPECT_EQ(dirty(), 0u);
  for (size_t size = 16; size <= kLargestSmall; size *= 2) {
    const Cache& cache = root_caches[index_of(class_of(size))];
    EXPECT_EQ(cache.slabs.load(), 0u) << size;
    EXPECT_EQ(chains_in_depots(cache), 0u);
  }
  EXPECT_EQ(trim(), 0u);
}

// Before the heap opens new chunks, what depots hold in excess is used.
TEST_F(ReclaimTest, SurplusServesOtherClasses) {
  std::vector<void*> held;
  for (int i = 0; i < 4000; ++i) held.push_back(allocate(4096));
  for (void* object : held) deallocate(object);
  const size_t chunks = arena.page_heap.stats().chunk_bytes;
  held.clear();
  for (int i = 0; i < 2000; ++i) held.push_back(allocate(3584));
  EXPECT_LE(arena.page_heap.stats().chunk_bytes, chunks + 2 * kChunkSize);
  for (void* object : held) deallocate(object);
}

}  // namespace
}  // namespace tenure
