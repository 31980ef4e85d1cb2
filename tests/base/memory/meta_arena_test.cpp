#include "base/memory/meta_arena.h"

#include <string.h>
#include <sys/mman.h>

#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace tenure {
namespace {

class MetaArenaTest : public testing::Test {
protected:
  static constexpr size_t kReserved = 64 * kMiB;

  MetaArenaTest() : memory_(os::reserve(kReserved, kPageSize)) { arena_.adopt(memory_, kReserved); }
  ~MetaArenaTest() override { os::release(memory_, kReserved); }

  static bool is_zero(const void* p, size_t bytes) {
    const char* c = static_cast<const char*>(p);
    for (size_t i = 0; i < bytes; ++i) {
      if (c[i] != 0) return false;
    }
    return true;
  }

  static size_t resident_pages(const void* p, size_t bytes) {
    std::vector<unsigned char> pages(divide_up(bytes, kPageSize));
    EXPECT_EQ(mincore(const_cast<void*>(p), bytes, pages.data()), 0);
    size_t resident = 0;
    for (const unsigned char page : pages) resident += page & 1;
    return resident;
  }

  void* const memory_;
  MetaArena arena_;
};

TEST_F(MetaArenaTest, BlocksAreAlignedZeroedAndApart) {
  std::set<std::pair<char*, char*>> blocks;
  for (const size_t bytes :
       {1, 8, 64, 65, 100, 128, 4095, 4096, 5000, 70000, 1 << 20, (1 << 20) + 1}) {
    for (int i = 0; i < 3; ++i) {
      char* p = static_cast<char*>(arena_.allocate(bytes));
      ASSERT_NE(p, nullptr) << bytes;
      ASSERT_EQ(reinterpret_cast<uintptr_t>(p) % (bytes >= kPageSize ? kPageSize : kCacheLine), 0u);
      ASSERT_TRUE(is_zero(p, bytes)) << bytes;
      memset(p, 0xff, bytes);
      blocks.insert({p, p + bytes});
    }
  }
  const char* last = nullptr;
  for (const auto& [from, to] : blocks) {
    EXPECT_GE(from, last);
    last = to;
  }
}

TEST_F(MetaArenaTest, ReleasedBlocksAreReusedZeroed) {
  for (const size_t bytes : {size_t{64}, size_t{192}, 4 * kKiB, kMiB}) {
    void* p = arena_.allocate(bytes);
    memset(p, 0xff, bytes);
    const size_t committed = arena_.committed();
    arena_.release(p, bytes);
    void* q = arena_.allocate(bytes - 1);  // The same power of two.
    EXPECT_EQ(q, p);
    EXPECT_TRUE(is_zero(q, bytes));
    EXPECT_EQ(arena_.committed(), committed);
  }
}

TEST_F(MetaArenaTest, SizesDoNotMix) {
  void* small = arena_.allocate(64);
  arena_.release(small, 64);
  EXPECT_NE(arena_.allocate(128), small);
  EXPECT_EQ(arena_.allocate(64), small);
}

TEST_F(MetaArenaTest, LargeBlocksReturnTheirPagesAndAreReused) {
  for (const size_t bytes :
       {MetaArena::kLargestInSpan + 1, size_t{70000}, kMiB, kMiB + 1, 9 * kMiB}) {
    char* p = static_cast<char*>(arena_.allocate(bytes));
    ASSERT_NE(p, nullptr);
    EXPECT_EQ(arena_.in_use(), round_up(bytes, kPageSize));
    memset(p, 0xff, bytes);
    arena_.release(p, bytes);
    EXPECT_EQ(arena_.in_use(), 0u);
    EXPECT_EQ(resident_pages(p, bytes), 0u) << bytes;
    const size_t committed = arena_.committed();
    for (int round = 0; round < 100; ++round) {
      char* again = static_cast<char*>(arena_.allocate(bytes));
      ASSERT_EQ(again, p) << bytes;
      EXPECT_TRUE(is_zero(again, bytes));
      again[bytes - 1] = 1;
      arena_.release(again, bytes);
    }
    EXPECT_EQ(arena_.committed(), committed);
  }
}

TEST_F(MetaArenaTest, MemoryFollowsWhatIsInUse) {
  const size_t before = resident_pages(memory_, kReserved) * kPageSize;
  for (const size_t bytes : {64, 200, 500, 8192}) {
    std::vector<void*> blocks;
    for (size_t total = 0; total < 16 * kMiB; total += bytes) {
      blocks.push_back(arena_.allocate(bytes));
      memset(blocks.back(), 0xff, bytes);
    }
    EXPECT_GT(resident_pages(memory_, kReserved) * kPageSize, before + 16 * kMiB);
    // In an order that empties all spans at the end only.
    for (size_t step = 0; step < 7; ++step) {
      for (size_t i = step; i < blocks.size(); i += 7) arena_.release(blocks[i], bytes);
    }
    const size_t left = resident_pages(memory_, kReserved) * kPageSize - before;
    EXPECT_LT(left, 2 * kMiB) << bytes;
    EXPECT_LE(arena_.resident() > left ? arena_.resident() - left : left - arena_.resident(),
              128 * kKiB);
  }
  // Other sizes use the same address space.
  EXPECT_LT(arena_.committed(), 24 * kMiB);
}

TEST_F(MetaArenaTest, WhatComesAndGoesKeepsItsPages) {
  void* const first = arena_.allocate(256);
  char* const page =
      reinterpret_cast<char*>(round_down(reinterpret_cast<uintptr_t>(first), kPageSize));
  for (int i = 0; i < 1000; ++i) {
    std::vector<void*> blocks;
    for (int j = 0; j < 20; ++j) blocks.push_back(arena_.allocate(256));
    for (void* block : blocks) arena_.release(block, 256);
    ASSERT_EQ(resident_pages(page, kPageSize), 1u);
  }
}

TEST_F(MetaArenaTest, CountsWhatIsInUse) {
  void* a = arena_.allocate(1);
  void* b = arena_.allocate(65);
  EXPECT_EQ(arena_.in_use(), 64u + 128u);
  arena_.release(b, 65);
  EXPECT_EQ(arena_.in_use(), 64u);
  arena_.release(a, 1);
  arena_.release(nullptr, 64);
  EXPECT_EQ(arena_.in_use(), 0u);
}

TEST_F(MetaArenaTest, ExhaustionGivesNullAndLeavesTheRest) {
  EXPECT_EQ(arena_.allocate(kReserved + 1), nullptr);
  std::vector<void*> blocks;
  while (void* p = arena_.allocate(kMiB)) blocks.push_back(p);
  // The entries of the spans take less than one block.
  EXPECT_EQ(blocks.size(), kReserved / kMiB - 1);
  EXPECT_EQ(arena_.in_use(), kReserved - kMiB);
  size_t spans = 0;
  while (arena_.allocate(MetaArena::kLargestInSpan)) ++spans;
  EXPECT_GE(spans, 2 * 50u);
  EXPECT_EQ(arena_.allocate(64), nullptr);
  arena_.release(blocks.back(), kMiB);
  EXPECT_EQ(arena_.allocate(kMiB), blocks.back());
}

TEST_F(MetaArenaTest, UnadoptedArenaHasNothing) {
  MetaArena empty;
  EXPECT_EQ(empty.allocate(64), nullptr);
  EXPECT_EQ(empty.in_use(), 0u);
}

TEST_F(MetaArenaTest, CreatesAndDestroysObjects) {
  struct Thing {
    explicit Thing(int* count) : count_(count) { ++*count_; }
    ~Thing() { --*count_; }
    int* count_;
  };
  int alive = 0;
  Thing* thing = arena_.create<Thing>(&alive);
  ASSERT_NE(thing, nullptr);
  EXPECT_EQ(alive, 1);
  arena_.destroy(thing);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(arena_.in_use(), 0u);
}

TEST_F(MetaArenaTest, ThreadsGetDifferentBlocks) {
  std::atomic<uint32_t> wrong{0};
  std::vector<std::thread> threads;
  for (uint64_t id = 1; id <= 4; ++id) {
    threads.emplace_back([&, id] {
      std::vector<std::pair<uint64_t*, size_t>> held;
      for (uint32_t round = 0; round < 4000; ++round) {
        const size_t bytes = size_t{64} << (round * 7 + id) % 5;
        auto* words = static_cast<uint64_t*>(arena_.allocate(bytes));
        if (!is_zero(words, bytes)) ++wrong;
        for (size_t i = 0; i < bytes / 8; ++i) words[i] = id;
        held.push_back({words, bytes});
        if (round % 8 != 7) continue;
        for (const auto& [block, size] : held) {
          for (size_t i = 0; i < size / 8; ++i) wrong += block[i] != id;
          arena_.release(block, size);
        }
        held.clear();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_EQ(arena_.in_use(), 0u);
}

}  // namespace
}  // namespace tenure
