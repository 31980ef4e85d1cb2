#include "base/meta_arena.h"

#include <string.h>

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

TEST_F(MetaArenaTest, LargeBlocksAreCutForReuse) {
  const size_t bytes = 2 * kMiB + 2 * kPageSize;
  char* p = static_cast<char*>(arena_.allocate(bytes));
  ASSERT_NE(p, nullptr);
  EXPECT_EQ(arena_.in_use(), bytes);
  memset(p, 0xff, bytes);
  arena_.release(p, bytes);
  EXPECT_EQ(arena_.in_use(), 0u);
  const size_t committed = arena_.committed();
  std::set<void*> parts;
  for (int i = 0; i < 2; ++i) {
    for (const size_t size : {kMiB, kPageSize}) {
      char* part = static_cast<char*>(arena_.allocate(size));
      EXPECT_GE(part, p);
      EXPECT_LE(part + size, p + bytes);
      EXPECT_TRUE(is_zero(part, size));
      EXPECT_TRUE(parts.insert(part).second);
    }
  }
  EXPECT_EQ(arena_.committed(), committed);
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
  EXPECT_EQ(blocks.size(), kReserved / kMiB);
  EXPECT_EQ(arena_.allocate(64), nullptr);
  EXPECT_EQ(arena_.in_use(), kReserved);
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
