#include "allocator/upkeep/run_stash.h"

#include <sys/wait.h>
#include <unistd.h>

#include "allocator/heap/large.h"
#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

class RunStashTest : public HeapTest {
protected:
  void SetUp() override {
    HeapTest::SetUp();
    move_to_cpu(0);
    saved_ = arena.settings;
    if (arena.hardened || arena.settings.decay_ms == 0) GTEST_SKIP() << "nothing is stashed";
    arena.settings.decay_ms = -1;
    trim();
  }
  void TearDown() override {
    arena.settings = saved_;
    HeapTest::TearDown();
  }

  static uint32_t number_of(const void* object) {
    return arena.page_map.at(granule_of(object)).descriptor.load();
  }
  static bool stashed(const void* object) {
    const uint32_t number = number_of(object);
    return number != 0 && arena.descriptors.at(number).kind == RunKind::kStashed;
  }
  static size_t used() { return arena.page_heap.stats().used_bytes; }
  static HeapStatistics now() {
    HeapStatistics statistics;
    collect_statistics(statistics);
    return statistics;
  }

  Settings saved_{};
};

TEST_F(RunStashTest, TheSameRunComesBack) {
  for (const size_t size :
       {kLargestSmall + 1, 3 * kGranuleSize, kMiB, kChunkSize, kChunkSize + 1, kLongestStashed}) {
    void* const object = allocate(size);
    ASSERT_NE(object, nullptr);
    const uint32_t number = number_of(object);
    deallocate(object);
    EXPECT_TRUE(stashed(object)) << size;
    EXPECT_EQ(allocate(size), object) << size;
    EXPECT_EQ(number_of(object), number);
    EXPECT_EQ(arena.descriptors.at(number).kind, RunKind::kLarge);
    EXPECT_EQ(usable_size(object), round_up(size, kGranuleSize));
    const Stamped stamped(object, usable_size(object), 1);
    EXPECT_TRUE(stamped.intact());
    deallocate(object);
  }
}

TEST_F(RunStashTest, OtherLengthsDoNotGetIt) {
  void* const object = allocate(4 * kGranuleSize);
  deallocate(object);
  void* const shorter = allocate(3 * kGranuleSize);
  EXPECT_EQ(usable_size(shorter), 3 * kGranuleSize);
  EXPECT_TRUE(stashed(object));
  deallocate(shorter);
}

TEST_F(RunStashTest, TheLastOneReplacesTheOneBefore) {
  void* const first = allocate(4 * kGranuleSize);
  void* const second = allocate(3 * kGranuleSize);
  deallocate(first);
  deallocate(second);
  EXPECT_TRUE(stashed(second));
  EXPECT_EQ(number_of(first), 0u);
  EXPECT_FALSE(arena.page_heap.is_used(granule_of(first)));
}

TEST_F(RunStashTest, AlignmentIsRespected) {
  void* objects[8];
  for (void*& object : objects) object = allocate(2 * kGranuleSize);
  for (void* object : objects) {
    deallocate(object);
    void* const aligned = allocate_aligned(2 * kGranuleSize, 256 * kKiB);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(aligned) % (256 * kKiB), 0u);
    deallocate(aligned);
  }
}

TEST_F(RunStashTest, ZeroedMemoryIsZero) {
  const size_t size = 5 * kGranuleSize;
  void* const object = allocate(size);
  __builtin_memset(object, 7, size);
  deallocate(object);
  auto* const zeroed = static_cast<char*>(allocate_zeroed(size));
  EXPECT_EQ(zeroed, object);
  for (size_t i = 0; i < size; ++i) ASSERT_EQ(zeroed[i], 0);
  deallocate(zeroed);
}

TEST_F(RunStashTest, LongerRunsGoBackAtOnce) {
  void* const object = allocate(kLongestStashed + 1);
  ASSERT_NE(object, nullptr);
  deallocate(object);
  EXPECT_EQ(number_of(object), 0u);
}

TEST_F(RunStashTest, ResizedRunsGoBackAtOnce) {
  for (const size_t resized : {kMiB, 2 * kGranuleSize}) {
    void* const object = allocate(4 * kGranuleSize);
    ASSERT_EQ(reallocate(object, resized), object);
    deallocate(object);
    EXPECT_EQ(number_of(object), 0u);
  }
}

TEST_F(RunStashTest, WithoutDecayNothingIsKept) {
  arena.settings.decay_ms = 0;
  void* const object = allocate(kMiB);
  deallocate(object);
  EXPECT_EQ(number_of(object), 0u);
  EXPECT_EQ(now().dirty_bytes, 0u);
}

TEST_F(RunStashTest, StashedRunsAreDirtyNotAllocated) {
  const HeapStatistics before = now();
  void* const object = allocate(3 * kMiB);
  deallocate(object);
  const HeapStatistics after = now();
  EXPECT_EQ(after.large_objects, before.large_objects);
  EXPECT_EQ(after.allocated_bytes, before.allocated_bytes);
  EXPECT_EQ(after.dirty_bytes, before.dirty_bytes + 3 * kMiB);
  EXPECT_EQ(validate_heap(), nullptr);
}

TEST_F(RunStashTest, TrimGivesItBack) {
  const size_t before = used();
  for (const size_t size : {100 * kKiB, kMiB, kLongestStashed}) deallocate(allocate(size));
  EXPECT_GT(used(), before);
  // The shorter runs may lie where the longest one grew into.
  EXPECT_GE(trim(), kLongestStashed);
  EXPECT_EQ(used(), before);
  EXPECT_EQ(now().dirty_bytes, 0u);
}

TEST_F(RunStashTest, OtherCpusStashesAreReached) {
  const size_t before = used();
  run_threads(4, [](int id) {
    move_to_cpu(static_cast<uint32_t>(id));
    deallocate(allocate(kMiB));
  });
  EXPECT_GT(used(), before);
  empty_stashes();
  EXPECT_EQ(used(), before);
  void* const object = allocate(kMiB);
  deallocate(object);
  EXPECT_TRUE(stashed(object)) << "an emptied word takes runs again";
}

// What is stashed does not let the heap grow.
TEST_F(RunStashTest, EmptiedBeforeTheHeapGrows) {
  void* const object = allocate(kLongestStashed);
  deallocate(object);
  EXPECT_TRUE(stashed(object));
  const size_t chunks = arena.page_heap.stats().chunk_bytes;
  std::vector<void*> held;
  for (int i = 0; i < 2; ++i) held.push_back(allocate(kLongestStashed / 2));
  EXPECT_EQ(arena.page_heap.stats().chunk_bytes, chunks);
  for (void* p : held) deallocate(p);
}

TEST_F(RunStashTest, ChildOfAForkGoesOnWithIt) {
  void* const object = allocate(kMiB);
  deallocate(object);
  const pid_t child = fork();
  if (child == 0) {
    repair_stashes_after_fork();
    const bool same = allocate(kMiB) == object;
    deallocate(object);
    _exit(same && validate_heap() == nullptr ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

// Runs of a few lengths go round between threads that change CPUs, while stashes are emptied all the time.
TEST_F(RunStashTest, NothingIsLostOrHandedOutTwice) {
  const HeapStatistics before = now();
  std::atomic<bool> stop{false};
  std::atomic<uint32_t> wrong{0};
  std::thread emptier([&] {
    while (!stop.load()) empty_stashes();
  });
  run_threads(4, [&](int id) {
    Random random{static_cast<uint64_t>(id) + 1};
    std::vector<Stamped> held;
    for (int round = 0; round < 20000; ++round) {
      if (round % 64 == 0) move_to_cpu(random.next());
      if (held.size() < 4 && random.below(2) == 0) {
        const size_t size = (2 + random.below(3)) * kGranuleSize;
        void* const object = allocate(size);
        if (object == nullptr)
          ++wrong;
        else
          held.emplace_back(object, 64, random.next());
      } else if (!held.empty()) {
        if (!held.back().intact()) ++wrong;
        deallocate(held.back().object());
        held.pop_back();
      }
    }
    for (const Stamped& stamped : held) {
      if (!stamped.intact()) ++wrong;
      deallocate(stamped.object());
    }
  });
  stop = true;
  emptier.join();
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_EQ(now().large_objects, before.large_objects);
  empty_stashes();
  EXPECT_EQ(validate_heap(), nullptr);
  trim();
  EXPECT_EQ(now().dirty_bytes, 0u);
}

using RunStashDeathTest = RunStashTest;

TEST_F(RunStashDeathTest, FreeingAgainIsReported) {
  EXPECT_EXIT(
      {
        void* const object = allocate(kMiB);
        deallocate(object);
        deallocate(object);
      },
      testing::KilledBySignal(SIGABRT), "tenure: double free: pointer 0x.*, tenant /, class ");
  EXPECT_EXIT(
      {
        void* const object = allocate(kMiB);
        deallocate(object);
        void* const again = reallocate(object, 2 * kMiB);
        _exit(again == nullptr);
      },
      testing::KilledBySignal(SIGABRT), "tenure: double free: pointer 0x.*, tenant /, class ");
}

}  // namespace
}  // namespace tenure
