#include "mapped/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/mapped/calls_fixture.h"

namespace tenure::mapped {
namespace {

TEST_F(CallsTest, WritablePrivateAnonymousMemoryIsCharged) {
  char* const p = map_pages(10);
  expect_charged(10);
  unmap_pages(p, 10);
}

TEST_F(CallsTest, LengthsAreRoundedUp) {
  void* const p =
      map(nullptr, 5 * kPageSize + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  expect_charged(6);
  EXPECT_EQ(unmap(p, 5 * kPageSize + 1), 0);
}

TEST_F(CallsTest, FilesSharedMemoryAndReservationsAreNot) {
  const int file = memfd_create("file", 0);
  ASSERT_EQ(ftruncate(file, 4 * kPageSize), 0);
  const struct {
    int protection, flags, fd;
  } free_of_charge[] = {{PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1},
                        {PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1},
                        {PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1},
                        {PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1},
                        {PROT_READ | PROT_WRITE, MAP_SHARED, file},
                        {PROT_READ | PROT_WRITE, MAP_PRIVATE, file}};
  for (const auto& [protection, flags, fd] : free_of_charge) {
    void* const p = map(nullptr, 4 * kPageSize, protection, flags, fd, 0);
    ASSERT_NE(p, MAP_FAILED);
    expect_charged(0);
    EXPECT_EQ(unmap(p, 4 * kPageSize), 0);
  }
  close(file);
}

TEST_F(CallsTest, MprotectCommitsPartsOfAReservation) {
  char* const p = map_pages(10, PROT_NONE);
  ASSERT_EQ(protect(page(p, 2), 3 * kPageSize, PROT_READ | PROT_WRITE, kNoKey), 0);
  expect_charged(3);
  ASSERT_EQ(protect(page(p, 4), 2 * kPageSize, PROT_READ | PROT_WRITE, kNoKey), 0);
  expect_charged(4);
  unmap_pages(p, 10);
}

TEST_F(CallsTest, MprotectDoesNotChargeFilesAndSharedMemory) {
  void* const p = map(nullptr, 4 * kPageSize, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_EQ(protect(p, 4 * kPageSize, PROT_READ | PROT_WRITE, kNoKey), 0);
  expect_charged(0);
  EXPECT_EQ(unmap(p, 4 * kPageSize), 0);
}

TEST_F(CallsTest, WhatIsResidentStaysChargedUntilItIsDiscarded) {
  char* const p = map_pages(10);
  touch(p, 4);
  ASSERT_EQ(protect(p, 10 * kPageSize, PROT_NONE, kNoKey), 0);
  expect_charged(4);
  ASSERT_EQ(advise(p, 2 * kPageSize, MADV_DONTNEED), 0);
  expect_charged(2);
  ASSERT_EQ(protect(p, 10 * kPageSize, PROT_READ | PROT_WRITE, kNoKey), 0);
  expect_charged(10);
  ASSERT_EQ(advise(p, 10 * kPageSize, MADV_DONTNEED), 0);  // May be written to again at once.
  expect_charged(10);
  ASSERT_EQ(protect(p, 10 * kPageSize, PROT_READ, kNoKey), 0);
  expect_charged(0);
  unmap_pages(p, 10);
}

TEST_F(CallsTest, AMappingReplacesWhatWasThere) {
  char* const p = map_pages(10);
  ASSERT_TRUE(map_at(page(p, 2), 4, PROT_NONE));
  expect_charged(6);
  ASSERT_TRUE(map_at(p, 10));
  expect_charged(10);
  const int file = memfd_create("file", 0);
  ASSERT_EQ(ftruncate(file, 4 * kPageSize), 0);
  ASSERT_NE(
      map(page(p, 5), 4 * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0),
      MAP_FAILED);
  close(file);
  expect_charged(6);
  unmap_pages(page(p, 3), 3);
  expect_charged(4);
  unmap_pages(p, 10);
}

TEST_F(CallsTest, MremapGrowsAndShrinksInPlace) {
  char* const p = map_pages(20);
  unmap_pages(page(p, 10), 10);
  ASSERT_EQ(remap(p, 10 * kPageSize, 15 * kPageSize, 0, nullptr), p);
  expect_charged(15);
  ASSERT_EQ(remap(p, 15 * kPageSize, 5 * kPageSize, 0, nullptr), p);
  expect_charged(5);
  unmap_pages(p, 5);
}

TEST_F(CallsTest, MremapMoves) {
  char* const p = map_pages(30, PROT_NONE);
  ASSERT_TRUE(map_at(p, 4));
  ASSERT_TRUE(map_at(page(p, 10), 2));
  expect_charged(6);
  ASSERT_EQ(remap(p, 4 * kPageSize, 6 * kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED, page(p, 10)),
            page(p, 10));
  expect_charged(6);
  char* const moved = static_cast<char*>(
      remap(page(p, 10), 6 * kPageSize, 100 * kPageSize, MREMAP_MAYMOVE, nullptr));
  ASSERT_NE(moved, MAP_FAILED);
  expect_charged(100);
  unmap_pages(moved, 100);
  unmap_pages(p, 30);
}

TEST_F(CallsTest, MremapMovesWhatIsKept) {
  char* const p = map_pages(8);
  char* const to = map_pages(8, PROT_NONE);
  touch(page(p, 3), 2);
  ASSERT_EQ(protect(p, 8 * kPageSize, PROT_READ, kNoKey), 0);
  expect_charged(2);
  ASSERT_EQ(remap(p, 8 * kPageSize, 8 * kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
  expect_charged(2);
  unmap_pages(page(to, 3), 1);
  expect_charged(1);
  unmap_pages(to, 8);
}

TEST_F(CallsTest, MremapMayLeaveTheOldMapping) {
  char* const p = map_pages(8);
  touch(p, 8);
  char* const moved = static_cast<char*>(
      remap(p, 8 * kPageSize, 8 * kPageSize, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, nullptr));
  if (moved == MAP_FAILED) GTEST_SKIP() << "no MREMAP_DONTUNMAP";
  expect_charged(16);
  unmap_pages(p, 8);
  expect_charged(8);
  unmap_pages(moved, 8);
}

TEST_F(CallsTest, TheDataSegmentIsCharged) {
  char* const now = static_cast<char*>(sbrk(0));
  ASSERT_EQ(move_break(now, now + 4 * kPageSize), now + 4 * kPageSize);
  expect_charged(4);
  leave_room(2);
  EXPECT_EQ(move_break(now + 4 * kPageSize, now + 8 * kPageSize), now + 4 * kPageSize);
  EXPECT_EQ(errno, ENOMEM);
  expect_charged(4);
  ASSERT_EQ(move_break(now + 4 * kPageSize, now), now);
}

TEST_F(CallsTest, TheLimitRefusesAndNothingChanges) {
  char* const reserved = map_pages(100, PROT_NONE);
  char* const p = map_pages(10);
  *p = 'x';
  leave_room(20);
  errno = 0;
  EXPECT_EQ(map_pages(21), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  errno = 0;
  EXPECT_EQ(map_at(reserved, 21), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  errno = 0;
  EXPECT_EQ(protect(reserved, 21 * kPageSize, PROT_READ | PROT_WRITE, kNoKey), -1);
  EXPECT_EQ(errno, ENOMEM);
  errno = 0;
  EXPECT_EQ(remap(p, 10 * kPageSize, 31 * kPageSize, MREMAP_MAYMOVE, nullptr), MAP_FAILED);
  EXPECT_EQ(errno, ENOMEM);
  expect_charged(10);
  EXPECT_EQ(*p, 'x');
  EXPECT_EQ(process_memory.failures(), 4u);
  // The last page that fits; what is replaced makes room.
  ASSERT_TRUE(map_at(reserved, 20));
  EXPECT_EQ(map_pages(1), nullptr);
  ASSERT_TRUE(map_at(p, 10));
  ASSERT_TRUE(map_at(page(p, 5), 5, PROT_NONE));
  ASSERT_TRUE(map_at(page(reserved, 20), 5));
  expect_charged(30);
  EXPECT_LE(process_memory.usage(), process_memory.max());
  unmap_pages(p, 10);
  unmap_pages(reserved, 100);
}

TEST_F(CallsTest, PoliciesDecide) {
  leave_room(0);
  root_tenant.set_policy(Policy::kObserve);
  char* const p = map_pages(10);
  ASSERT_TRUE(p);
  expect_charged(10);
  EXPECT_GE(root_tenant.event_count(EventKind::kOverdraw), 1u);
  unmap_pages(p, 10);
}

TEST_F(CallsTest, FailedCallsLeaveTheAccount) {
  char* const p = map_pages(10);
  const auto fails = [](auto result, int error) {
    EXPECT_EQ(reinterpret_cast<intptr_t>(reinterpret_cast<void*>(result)), -1);
    EXPECT_EQ(errno, error);
    errno = 0;
  };
  constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;
  fails(map(nullptr, 0, PROT_READ | PROT_WRITE, kAnonymous, -1, 0), EINVAL);
  fails(map(nullptr, SIZE_MAX, PROT_READ | PROT_WRITE, kAnonymous, -1, 0), ENOMEM);
  fails(map(p + 1, kPageSize, PROT_READ | PROT_WRITE, kAnonymous | MAP_FIXED, -1, 0), EINVAL);
  fails(map(page(p, 2), kPageSize, PROT_READ, MAP_PRIVATE | MAP_FIXED, 4711, 0), EBADF);
  fails(map(p, kPageSize, PROT_READ | PROT_WRITE, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
  fails(intptr_t{unmap(p + 1, kPageSize)}, EINVAL);
  fails(intptr_t{unmap(p, 0)}, EINVAL);
  fails(intptr_t{unmap(p, SIZE_MAX)}, EINVAL);
  fails(intptr_t{protect(p + 1, kPageSize, PROT_NONE, kNoKey)}, EINVAL);
  fails(remap(p + 1, kPageSize, kPageSize, 0, nullptr), EINVAL);
  fails(remap(p, kPageSize, 0, 0, nullptr), EINVAL);
  fails(remap(p, 2 * kPageSize, 4 * kPageSize, 0, nullptr),
        ENOMEM);  // Its own pages are in the way.
  fails(remap(p, 2 * kPageSize, 2 * kPageSize, MREMAP_FIXED, page(p, 5)), EINVAL);
  fails(intptr_t{advise(p + 1, kPageSize, MADV_DONTNEED)}, EINVAL);
  expect_charged(10);
  unmap_pages(p, 10);
}

TEST_F(CallsTest, SuccessLeavesErrno) {
  errno = 4711;
  char* const p = map_pages(10);
  EXPECT_EQ(protect(p, kPageSize, PROT_NONE, kNoKey), 0);
  EXPECT_EQ(advise(p, kPageSize, MADV_DONTNEED), 0);
  EXPECT_EQ(errno, 4711);
  unmap_pages(p, 10);
}

// Memory that went by unseen ways, as when libc unmaps it: the account rights itself when the addresses are used again.
TEST_F(CallsTest, WhatWentUnseenIsFoundWhenItComesAgain) {
  char* const p = map_pages(10);
  ASSERT_EQ(munmap(p, 10 * kPageSize), 0);
  expect_charged(10);
  ASSERT_TRUE(map_at(p, 10, PROT_NONE));
  expect_charged(0);
  unmap_pages(p, 10);
}

// More kinds of memory than a call remembers apart.
TEST_F(CallsTest, MotleyRangesBalance) {
  char* const p = map_pages(100);
  char* const to = map_pages(100, PROT_NONE);
  for (uint64_t i = 0; i < 100; i += 2) touch(page(p, i), 1);
  ASSERT_EQ(protect(p, 100 * kPageSize, PROT_READ, kNoKey), 0);
  expect_charged(50);
  ASSERT_EQ(remap(p, 100 * kPageSize, 100 * kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
  EXPECT_GE(charged_bytes(), 50 * kPageSize);
  EXPECT_EQ(charged_for_mappings(), charged_bytes());
  unmap_pages(to, 100);
}

}  // namespace
}  // namespace tenure::mapped
