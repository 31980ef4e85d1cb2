#include "allocator/upkeep/process_pressure.h"

#include <errno.h>

#include "accounting/shrinkers/shrinker.h"
#include "allocator/slabs/current.h"
#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

// The coarse clock of this program stands still (reclaim_test.cpp), so a look comes by growth, or
// when a test says that it is due.
class ProcessPressureTest : public HeapTest {
protected:
  void SetUp() override {
    HeapTest::SetUp();
    saved_ = arena.settings;
    arena.settings.decay_ms = -1;
    trim();
    forget();
    start_ = reclaims();
  }
  void TearDown() override {
    for (void* object : objects_) deallocate(object);
    arena.settings = saved_;
    watch_pressure(arena.settings);
    trim();
    HeapTest::TearDown();
  }

  // As after bootstrap.
  static void forget() {
    for (NextLook& next : process_pressure.next) {
      next.due = 0;
      next.beyond = SIZE_MAX;
    }
  }
  static void let_time_pass() {
    for (NextLook& next : process_pressure.next) next.due = 0;
  }
  // Whether a malloc of the root has looked.
  static bool has_looked() { return process_pressure.next[0].due.load() != 0; }
  // The heap may have so much more than it has now.
  void limit_to(size_t more) {
    arena.settings.rss_limit_mib = static_cast<int64_t>((resident() + more) / kMiB + 1);
    watch_pressure(arena.settings);
  }
  static size_t limit() { return static_cast<size_t>(arena.settings.rss_limit_mib) * kMiB; }
  uint64_t reclaimed() const { return reclaims() - start_; }
  static size_t resident() { return arena.page_heap.resident_bytes(); }

  void* take(size_t bytes) {
    void* const object = allocate(bytes);
    __builtin_memset(object, 1, bytes);
    return object;
  }
  void keep(size_t bytes) { objects_.push_back(take(bytes)); }
  std::vector<void*> objects_;

private:
  static uint64_t reclaims() { return process_pressure.reclaims.load(); }
  uint64_t start_ = 0;
  Settings saved_{};
};

TEST(BytesToReturn, ArePlusABatchAndBounded) {
  EXPECT_EQ(bytes_to_return(0, 0), 0u);
  EXPECT_EQ(bytes_to_return(64 * kMiB, 64 * kMiB), 0u);
  EXPECT_EQ(bytes_to_return(64 * kMiB + 1, 64 * kMiB), kMiB + 1);
  EXPECT_EQ(bytes_to_return(kMiB + 1, kMiB), 256 * kKiB + 1);
  EXPECT_EQ(bytes_to_return(100 * kGiB, kMiB), kReturnStep);
  EXPECT_EQ(bytes_to_return(kGiB * 1024 + 1, kGiB * 1024), kReturnStep / 2 + 1);
}

TEST_F(ProcessPressureTest, FreeMemoryGoesWhenTheHeapGrowsBeyondTheLimit) {
  if (arena.hardened) GTEST_SKIP() << "what is freed is cleared by giving it back at once";
  void* const left = take(40 * kMiB);
  keep(4 * kMiB);
  deallocate(left);
  ASSERT_GE(resident(), 44 * kMiB);
  limit_to(8 * kMiB);
  keep(48 * kMiB);  // Does not fit where the other was.
  EXPECT_EQ(reclaimed(), 1u);
  EXPECT_LE(resident(), limit());
  EXPECT_GT(process_pressure.returned.load(), 0u);
}

TEST_F(ProcessPressureTest, BelowTheLimitNothingHappens) {
  deallocate(take(40 * kMiB));
  limit_to(40 * kMiB);
  keep(8 * kMiB);
  let_time_pass();
  keep(8 * kMiB);
  EXPECT_EQ(reclaimed(), 0u);
}

TEST_F(ProcessPressureTest, WithoutTheOptionNothingHappens) {
  watch_pressure(arena.settings);
  keep(40 * kMiB);
  look_at_pressure(Occasion::kControl);
  EXPECT_EQ(reclaimed(), 0u);
  EXPECT_FALSE(has_looked());
}

TEST_F(ProcessPressureTest, CachedObjectsGoBeforeTheLimitIsExceeded) {
  std::vector<void*> held;
  for (int i = 0; i < 2000; ++i) held.push_back(take(2048));
  for (void* object : held) deallocate(object);
  Cache& cache = root_caches[index_of(class_of(2048))];
  ASSERT_GT(cache.slabs.load(), 20u);
  limit_to(kMiB);
  keep(8 * kMiB);
  EXPECT_EQ(reclaimed(), 1u);
  EXPECT_EQ(cache.slabs.load(), 0u);
}

// Each growth of a process that needs more than its limit would otherwise pay for a reclaim that brings nothing.
TEST_F(ProcessPressureTest, WhatCannotBeHelpedIsLookedAtByTheClock) {
  limit_to(kMiB);
  for (int i = 0; i < 100; ++i) keep(kMiB);
  EXPECT_EQ(reclaimed(), 1u);
  let_time_pass();
  for (int i = 0; i < 100; ++i) keep(kMiB);
  EXPECT_EQ(reclaimed(), 2u);
}

TEST_F(ProcessPressureTest, MemoryThatWasNeverTouchedIsNotResident) {
  limit_to(128 * kMiB + os::resident_anonymous());
  objects_.push_back(allocate(4 * kGiB));
  EXPECT_GT(resident(), limit());
  EXPECT_EQ(reclaimed(), 0u);
  EXPECT_TRUE(has_looked());
}

// A cache of the program, in the root.
struct Blocks {
  std::vector<void*> blocks;
  size_t scans = 0;
  Shrinker* shrinker = nullptr;

  explicit Blocks(int count) {
    blocks.reserve(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      blocks.push_back(allocate(4096));
      __builtin_memset(blocks.back(), 1, 4096);
    }
    EXPECT_EQ(register_shrinker(
                  "blocks", [](Tenant* tenant, void* self) { return of(self).count(tenant); },
                  [](Tenant*, size_t most, void* self) { return of(self).scan(most); }, 2, this,
                  &shrinker),
              0);
  }
  ~Blocks() {
    EXPECT_EQ(unregister_shrinker(shrinker), 0);
    for (void* block : blocks) deallocate(block);
  }
  static Blocks& of(void* self) { return *static_cast<Blocks*>(self); }
  size_t count(const Tenant* tenant) const { return tenant == &root_tenant ? blocks.size() : 0; }
  size_t scan(size_t most) {
    ++scans;
    size_t gone = 0;
    for (; gone < most && !blocks.empty(); ++gone) {
      deallocate(blocks.back());
      blocks.pop_back();
    }
    return gone;
  }
};

TEST_F(ProcessPressureTest, ShrinkersGiveAboutWhatIsAskedFor) {
  Blocks cache(8192);
  limit_to(0);
  keep(2 * kMiB);
  let_time_pass();
  look_at_pressure(Occasion::kControl);
  EXPECT_EQ(reclaimed(), 2u);
  EXPECT_EQ(cache.scans, 0u) << "where it may not run";
  look_at_pressure(Occasion::kCheckpoint);
  EXPECT_GT(cache.scans, 0u);
  EXPECT_LE(resident(), limit());
  EXPECT_GT(cache.blocks.size(), 8192u * 3 / 4);
}

TEST_F(ProcessPressureTest, ShrinkersRunInMallocForTenants) {
  Blocks cache(8192);
  limit_to(0);
  const auto run = allocate_run(2 * kChunkGranules, 1, Fill::kAny, Occasion::kMallocForTenant);
  EXPECT_TRUE(run.grown);
  __builtin_memset(arena.page_heap.address(run.granule), 1, 4 * kMiB);
  let_time_pass();
  const auto another = allocate_run(kChunkGranules, 1, Fill::kAny, Occasion::kMallocForTenant);
  EXPECT_GT(cache.scans, 0u);
  release_run(run.granule, run.granules);
  release_run(another.granule, another.granules);
}

TEST_F(ProcessPressureTest, AShrinkerIsNotRunInsideAnother) {
  struct Nested {
    static size_t count(Tenant* tenant, void*) { return tenant ? 0 : 1; }
    static size_t scan(Tenant*, size_t, void* self) {
      auto& inside = *static_cast<int*>(self);
      EXPECT_EQ(inside, 0);
      ++inside;
      let_time_pass();
      look_at_pressure(Occasion::kCheckpoint);
      --inside;
      return 0;
    }
  };
  int inside = 0;
  Shrinker* shrinker = nullptr;
  ASSERT_EQ(register_shrinker("nested", Nested::count, Nested::scan, 2, &inside, &shrinker), 0);
  limit_to(0);
  keep(4 * kMiB);
  let_time_pass();
  look_at_pressure(Occasion::kCheckpoint);
  EXPECT_EQ(reclaimed(), 2u);
  EXPECT_EQ(unregister_shrinker(shrinker), 0);
}

// This machine's may be readable or not; either way everything goes on, and the statistics say which.
TEST_F(ProcessPressureTest, TheCgroupIsLookedAtWhereAskedFor) {
  arena.settings.cgroup = 1;
  watch_pressure(arena.settings);
  errno = 4711;
  keep(kMiB);
  EXPECT_TRUE(has_looked());
  EXPECT_NE(process_pressure.cgroup.load(), CgroupState::kOff);
  EXPECT_EQ(errno, 4711);
}

}  // namespace
}  // namespace tenure
