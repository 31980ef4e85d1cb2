#include "base/memory/os_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/words/bits.h"

namespace tenure {
namespace {

bool is_filled(const char* p, size_t bytes, char with) {
  for (size_t i = 0; i < bytes; ++i) {
    if (p[i] != with) return false;
  }
  return true;
}

TEST(OsMemory, ReservationsAreAligned) {
  for (const size_t alignment : {kPageSize, 64 * kKiB, 2 * kMiB, 64 * kMiB}) {
    void* p = os::reserve(3 * kPageSize, alignment);
    ASSERT_NE(p, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % alignment, 0u);
    ASSERT_TRUE(os::commit(p, 3 * kPageSize));
    memset(p, 1, 3 * kPageSize);
    os::release(p, 3 * kPageSize);
  }
}

TEST(OsMemory, ImpossibleReservationsAreRefused) {
  EXPECT_EQ(os::reserve(size_t{1} << 62, kPageSize), nullptr);
  EXPECT_EQ(os::reserve(SIZE_MAX - kMiB + 1, 2 * kMiB), nullptr);
}

TEST(OsMemoryDeathTest, ReservedMemoryIsNotAccessible) {
  auto* p = static_cast<volatile char*>(os::reserve(2 * kPageSize, kPageSize));
  EXPECT_DEATH(p[0] = 1, "");
  ASSERT_TRUE(os::commit_read_only(const_cast<char*>(p), kPageSize));
  EXPECT_EQ(p[0], 0);
  EXPECT_DEATH(p[0] = 1, "");
  os::release(const_cast<char*>(p), 2 * kPageSize);
}

TEST(OsMemory, CommittedMemoryIsZeroAndKept) {
  char* p = static_cast<char*>(os::reserve(8 * kPageSize, kPageSize));
  ASSERT_TRUE(os::commit(p, 4 * kPageSize));
  EXPECT_TRUE(is_filled(p, 4 * kPageSize, 0));
  memset(p, 7, 4 * kPageSize);
  ASSERT_TRUE(os::commit(p, 8 * kPageSize));  // Again, and more.
  EXPECT_TRUE(is_filled(p, 4 * kPageSize, 7));
  EXPECT_TRUE(is_filled(p + 4 * kPageSize, 4 * kPageSize, 0));
  os::release(p, 8 * kPageSize);
}

TEST(OsMemory, ResidentMemoryIsWhatWasTouched) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the sanitizer touches memory of its own";
#endif
  constexpr size_t kBytes = 64 * kMiB;
  char* p = static_cast<char*>(os::reserve(kBytes, kPageSize));
  ASSERT_TRUE(os::commit(p, kBytes));
  const size_t before = os::resident_anonymous();
  ASSERT_GT(before, 0u);
  memset(p, 1, kBytes);
  const size_t touched = os::resident_anonymous();
  // The kernel counts in batches, per thread.
  EXPECT_NEAR(static_cast<double>(touched), static_cast<double>(before + kBytes), kMiB);
  os::release(p, kBytes);
}

TEST(OsMemory, PurgedPagesReadAsZeros) {
  char* p = static_cast<char*>(os::reserve(4 * kPageSize, kPageSize));
  ASSERT_TRUE(os::commit(p, 4 * kPageSize));
  memset(p, 7, 4 * kPageSize);
  ASSERT_TRUE(os::purge(p + kPageSize, 2 * kPageSize));
  EXPECT_TRUE(is_filled(p, kPageSize, 7));
  EXPECT_TRUE(is_filled(p + kPageSize, 2 * kPageSize, 0));
  EXPECT_TRUE(is_filled(p + 3 * kPageSize, kPageSize, 7));
  os::release(p, 4 * kPageSize);
}

TEST(OsMemory, PopulateKeepsContents) {
  char* p = static_cast<char*>(os::reserve(4 * kPageSize, kPageSize));
  ASSERT_TRUE(os::commit(p, 4 * kPageSize));
  p[0] = 7;
  os::populate(p, 4 * kPageSize);
  os::advise_huge_pages(p, 4 * kPageSize, true);
  os::advise_huge_pages(p, 4 * kPageSize, false);
  EXPECT_EQ(p[0], 7);
  EXPECT_TRUE(is_filled(p + 1, 4 * kPageSize - 1, 0));
  os::release(p, 4 * kPageSize);
}

TEST(OsMemory, MovedPagesLeaveZerosBehind) {
  const size_t bytes = 4 * kPageSize;
  char* p = static_cast<char*>(os::reserve(4 * bytes, kPageSize));
  ASSERT_TRUE(os::commit(p, 4 * bytes));
  memset(p, 7, bytes);
  memset(p + 2 * bytes, 9, 2 * bytes);
  if (os::move_pages(p, p + 2 * bytes, bytes) != os::Move::kDone) {
    EXPECT_TRUE(is_filled(p, bytes, 7));
    GTEST_SKIP() << "the kernel moves no pages";
  }
  EXPECT_TRUE(is_filled(p, bytes, 0));
  EXPECT_TRUE(is_filled(p + 2 * bytes, bytes, 7));
  EXPECT_TRUE(is_filled(p + 3 * bytes, bytes, 9));
  memset(p, 5, bytes);  // Still mapped.
  EXPECT_TRUE(is_filled(p + 2 * bytes, bytes, 7));
  ASSERT_TRUE(os::remap_fresh(p + 2 * bytes, bytes));
  EXPECT_TRUE(is_filled(p + 2 * bytes, bytes, 0));
  EXPECT_TRUE(is_filled(p + 3 * bytes, bytes, 9));
  memset(p + 2 * bytes, 1, bytes);
  os::release(p, 4 * bytes);
}

TEST(OsMemory, FailuresKeepErrno) {
  errno = 4711;
  EXPECT_EQ(os::reserve(size_t{1} << 62, kPageSize), nullptr);
  EXPECT_FALSE(os::commit(nullptr, kPageSize));
  EXPECT_FALSE(os::commit_read_only(nullptr, kPageSize));
  EXPECT_FALSE(os::purge(nullptr, kPageSize));
  EXPECT_NE(os::move_pages(nullptr, reinterpret_cast<void*>(kGiB), kPageSize), os::Move::kDone);
  os::populate(nullptr, kPageSize);
  os::advise_huge_pages(nullptr, kPageSize, true);
  EXPECT_EQ(errno, 4711);
}

TEST(OsMemory, AddressSpaceLimitIsTheSoftOne) {
  rlimit saved;
  ASSERT_EQ(getrlimit(RLIMIT_AS, &saved), 0);
  rlimit limited = saved;
  limited.rlim_cur = size_t{1} << 45;
  ASSERT_EQ(setrlimit(RLIMIT_AS, &limited), 0);
  EXPECT_EQ(os::address_space_limit(), size_t{1} << 45);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &saved), 0);
  if (saved.rlim_cur == RLIM_INFINITY) {
    EXPECT_EQ(os::address_space_limit(), SIZE_MAX);
  }
}

class GrowingRangeTest : public testing::Test {
protected:
  static constexpr size_t kReserved = 16 * kMiB;
  static constexpr size_t kStep = 64 * kKiB;

  GrowingRangeTest() : memory_(static_cast<char*>(os::reserve(kReserved, kPageSize))) {
    range_.adopt(memory_, kReserved, kStep);
  }
  ~GrowingRangeTest() override { os::release(memory_, kReserved); }

  char* const memory_;
  os::GrowingRange range_;
};

TEST_F(GrowingRangeTest, GrowsByStepsAndNeverShrinks) {
  EXPECT_EQ(range_.committed(), 0u);
  EXPECT_TRUE(range_.ensure(0));
  EXPECT_EQ(range_.committed(), 0u);
  ASSERT_TRUE(range_.ensure(1));
  EXPECT_EQ(range_.committed(), kStep);
  memory_[kStep - 1] = 1;
  ASSERT_TRUE(range_.ensure(kStep));
  EXPECT_EQ(range_.committed(), kStep);
  size_t last = kStep;
  for (size_t upto = kStep + 1; upto < 8 * kMiB; upto += 300 * kKiB) {
    ASSERT_TRUE(range_.ensure(upto));
    ASSERT_GE(range_.committed(), upto);
    ASSERT_GE(range_.committed(), last);
    last = range_.committed();
    memory_[upto - 1] = 1;
    memory_[last - 1] = 1;
  }
  ASSERT_TRUE(range_.ensure(1));
  EXPECT_EQ(range_.committed(), last);
}

TEST_F(GrowingRangeTest, StopsAtTheReservation) {
  EXPECT_FALSE(range_.ensure(kReserved + 1));
  EXPECT_FALSE(range_.ensure(SIZE_MAX));
  EXPECT_EQ(range_.committed(), 0u);
  ASSERT_TRUE(range_.ensure(kReserved - kStep - 1));
  ASSERT_TRUE(range_.ensure(kReserved));
  EXPECT_EQ(range_.committed(), kReserved);
  memory_[kReserved - 1] = 1;
}

TEST_F(GrowingRangeTest, RefusalIsNotRecorded) {
  os::release(memory_ + 4 * kMiB, kReserved - 4 * kMiB);  // The system has no memory beyond.
  EXPECT_FALSE(range_.ensure(5 * kMiB));
  EXPECT_EQ(range_.committed(), 0u);
  // Where the generous step is refused the exact one serves.
  ASSERT_TRUE(range_.ensure(4 * kMiB - 2 * kStep));
  ASSERT_TRUE(range_.ensure(4 * kMiB - kPageSize));
  ASSERT_TRUE(range_.ensure(4 * kMiB));
  EXPECT_EQ(range_.committed(), 4 * kMiB);
  EXPECT_FALSE(range_.ensure(4 * kMiB + 1));
  EXPECT_EQ(range_.committed(), 4 * kMiB);
}

TEST_F(GrowingRangeTest, ThreadsFindTheirBytesUsable) {
  std::vector<std::thread> threads;
  std::atomic<uint32_t> refused{0};
  for (size_t id = 0; id < 4; ++id) {
    threads.emplace_back([&, id] {
      for (size_t at = id; at < kReserved; at += 4093 * 4) {
        if (range_.ensure(at + 1)) {
          std::atomic_ref(memory_[at]).store(1, std::memory_order_relaxed);
        } else {
          ++refused;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused.load(), 0u);
  EXPECT_EQ(range_.committed() % kStep, 0u);
}

}  // namespace
}  // namespace tenure
