#include "allocator/control/statistics.h"

#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "allocator/fronts/drain.h"
#include "allocator/fronts/front_space.h"
#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

class StatisticsTest : public HeapTest {
protected:
  static HeapStatistics now() {
    HeapStatistics statistics;
    collect_statistics(statistics);
    return statistics;
  }
  static std::string printed(bool json) {
    FILE* const file = tmpfile();
    print_statistics(fileno(file), json);
    rewind(file);
    std::string text;
    for (int c; (c = fgetc(file)) != EOF;) text += static_cast<char>(c);
    fclose(file);
    return text;
  }
};

TEST_F(StatisticsTest, SmallObjectsAreCountedByClass) {
  trim();
  const HeapStatistics before = now();
  std::vector<void*> held;
  for (int i = 0; i < 1000; ++i) held.push_back(allocate(200));
  const uint32_t index = index_of(class_of(200));
  const size_t size = class_size(index);
  const HeapStatistics during = now();
  const ClassStatistics& c = during.classes[index];
  EXPECT_EQ(c.allocated(), before.classes[index].allocated() + 1000);
  EXPECT_EQ(during.allocated_bytes, before.allocated_bytes + 1000 * size);
  EXPECT_GE(c.slabs, 1000 * size / (kLargestSlabGranules * kGranuleSize));
  EXPECT_GE(c.slab_bytes, 1000 * size);
  EXPECT_EQ(c.slab_bytes, c.slabs * root_caches[index].granules * kGranuleSize);
  for (void* object : held) deallocate(object);
  const HeapStatistics after = now();
  EXPECT_EQ(after.allocated_bytes, before.allocated_bytes);
  EXPECT_EQ(after.classes[index].allocated(), before.classes[index].allocated());
  EXPECT_GT(after.cached_bytes, before.cached_bytes);
}

TEST_F(StatisticsTest, LevelsAddUp) {
  std::vector<void*> held;
  for (int i = 0; i < 5000; ++i) held.push_back(allocate(64));
  for (size_t i = 0; i < held.size(); i += 2) deallocate(held[i]);
  const uint32_t index = index_of(class_of(64));
  const ClassStatistics c = now().classes[index];
  EXPECT_GT(c.in_fronts, 0u);
  EXPECT_GT(c.in_depot, 0u);
  EXPECT_EQ(c.allocated() + c.in_fronts + c.in_depot + c.in_slabs, c.carved);
  trim();
  const ClassStatistics trimmed = now().classes[index];
  EXPECT_EQ(trimmed.in_fronts, 0u);
  EXPECT_EQ(trimmed.in_depot, 0u);
  EXPECT_EQ(trimmed.allocated(), c.allocated());
  for (size_t i = 1; i < held.size(); i += 2) deallocate(held[i]);
}

TEST_F(StatisticsTest, LargeObjectsAreCountedByRun) {
  const HeapStatistics before = now();
  void* const a = allocate(100000);
  void* const b = allocate(5 * kMiB);
  const HeapStatistics during = now();
  const size_t bytes = 4 * kGranuleSize + 5 * kMiB;
  EXPECT_EQ(during.large_objects, before.large_objects + 2);
  EXPECT_EQ(during.large_bytes, before.large_bytes + bytes);
  EXPECT_EQ(during.allocated_bytes, before.allocated_bytes + bytes);
  EXPECT_GE(during.committed_bytes, during.large_bytes + during.slab_bytes);
  deallocate(a);
  deallocate(b);
  const HeapStatistics after = now();
  EXPECT_EQ(after.large_objects, before.large_objects);
  EXPECT_EQ(after.large_bytes, before.large_bytes);
  if (arena.settings.decay_ms != 0 && !arena.hardened) {
    EXPECT_GE(after.dirty_bytes, bytes);
  }
  trim();
  EXPECT_EQ(now().dirty_bytes, 0u);
}

// 1.5 % of what is in use, at every size.
class MetadataTest : public StatisticsTest, public testing::WithParamInterface<size_t> {};

TEST_P(MetadataTest, IsASmallShareOfTheHeap) {
  constexpr size_t kLive = 64 * kMiB;
  trim();
  // Where other tests ran before: the descriptors that their classes keep on their stacks.
  const uint64_t kept = (arena.descriptors.end() - 1) * sizeof(RunDescriptor);
  std::vector<void*> held(kLive / GetParam());
  for (void*& object : held) object = allocate(GetParam());
  const HeapStatistics statistics = now();
  const uint64_t used = statistics.slab_bytes + statistics.large_bytes;
  EXPECT_GE(used, kLive - GetParam());
  EXPECT_GT(statistics.meta_bytes, kept);
  EXPECT_LE((statistics.meta_bytes - kept) * 1000, used * 15);
  for (void* const object : held) deallocate(object);
}

INSTANTIATE_TEST_SUITE_P(Sizes, MetadataTest,
                         testing::Values(size_t{16}, size_t{64}, size_t{256}, size_t{1000},
                                         size_t{4096}, size_t{32768}, size_t{100000}, kMiB,
                                         64 * kMiB),
                         testing::PrintToStringParamName());

// Pages of the fronts count once they were written to, marks as long as there is something to mark.
TEST_F(StatisticsTest, MetadataHasTheFrontsAndTheMarks) {
  deallocate(allocate(16));
  trim();
  EXPECT_GE(front_space.written_bytes(), kPageSize);
  EXPECT_LE(front_space.written_bytes(), (arena.cpus + arena.shared_areas) * kCpuAreaSize);
  const size_t size = 64 * kMiB;
  const HeapStatistics before = now();
  EXPECT_GE(before.meta_bytes, front_space.written_bytes());
  void* const object = allocate(size);
  const size_t marks = arena.hardened ? size / kMinAlignment / 8 : 0;
  EXPECT_GE(now().meta_bytes, before.meta_bytes + marks);
  EXPECT_LE(now().meta_bytes, before.meta_bytes + marks + size / 1000 + 64 * kKiB);
  deallocate(object);
}

// What is held is one thing or another, and goes when it was given back.
TEST_F(StatisticsTest, WhatIsHeldAddsUp) {
  trim();
  const HeapStatistics before = now();
  std::vector<void*> held;
  for (int i = 0; i < 2000; ++i) held.push_back(allocate(3000));
  held.push_back(allocate(50 * kMiB));
  const HeapStatistics during = now();
  EXPECT_EQ(during.held_bytes(), during.small_bytes() + during.free_bytes() + during.large_bytes);
  EXPECT_GE(during.held_bytes(), before.held_bytes() + 56 * kMiB);
  EXPECT_GE(during.free_bytes(), during.cached_bytes + during.dirty_bytes);
  EXPECT_GE(during.held_most, during.held_bytes());
  EXPECT_LE(during.held_bytes(), during.committed_bytes);
  EXPECT_EQ(arena.page_heap.resident_bytes(), during.held_bytes());
  for (void* object : held) deallocate(object);
  trim();
  const HeapStatistics after = now();
  EXPECT_EQ(after.held_bytes(), before.held_bytes());
  EXPECT_GE(after.held_most, during.held_bytes());
  EXPECT_EQ(after.committed_bytes, during.committed_bytes);
}

TEST_F(StatisticsTest, WasteIsWhatSlabsHaveBesideObjects) {
  ClassStatistics c = {};
  EXPECT_EQ(c.waste_permille(64), 0u);
  c.slabs = 1;
  c.slab_bytes = 32768;
  EXPECT_EQ(c.waste_permille(64), 1000u);
  c.carved = 256;
  EXPECT_EQ(c.waste_permille(64), 500u);
  c.in_slabs = 128;
  EXPECT_EQ(c.waste_permille(64), 750u);
  c = {
      .slabs = 1, .carved = 600, .in_slabs = 0, .in_depot = 0, .in_fronts = 0, .slab_bytes = 32768};
  EXPECT_EQ(c.waste_permille(64), 0u);
}

TEST_F(StatisticsTest, TextNamesEveryTotal) {
  void* const object = allocate(777);
  const std::string text = printed(false);
  for (const char* name : {"allocated", "cached", "slab_bytes", "large_objects", "large_bytes",
                           "dirty", "committed", "meta"}) {
    EXPECT_NE(text.find(std::string("  ") + name + ": "), std::string::npos) << text;
  }
  EXPECT_NE(text.find("\n    896 "), std::string::npos) << text;
  EXPECT_NE(text.find(arena.rseq ? "mode rseq" : "mode fallback"), std::string::npos);
  EXPECT_EQ(text.back(), '\n');
  deallocate(object);
}

// Enough of a parser to see that brackets and quotes close and that a number follows each name.
TEST_F(StatisticsTest, JsonIsOneWellFormedLine) {
  std::vector<void*> held;
  for (size_t size = 16; size < 100000; size += size / 2) held.push_back(allocate(size));
  const std::string text = printed(true);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(text.front(), '{');
  EXPECT_EQ(text.substr(text.size() - 2), "}\n");
  std::string open;
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
    case '{':
    case '[':
      open += text[i];
      break;
    case '}':
    case ']':
      ASSERT_FALSE(open.empty());
      ASSERT_EQ(open.back(), text[i] == '}' ? '{' : '[');
      open.pop_back();
      break;
    case ',':
      ASSERT_TRUE(text[i + 1] == '"' || text[i + 1] == '{') << text.substr(i);
      break;
    case ':':
      ASSERT_EQ(text[i - 1], '"');
      ASSERT_TRUE(isdigit(text[i + 1]) || text[i + 1] == '"' || text[i + 1] == '[')
          << text.substr(i);
      break;
    default:
      break;
    }
  }
  EXPECT_TRUE(open.empty());
  EXPECT_NE(text.find(",\"waste\":"), std::string::npos);
  const size_t at = text.find("\"allocated\":");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(strtoull(text.c_str() + at + 12, nullptr, 10), now().allocated_bytes);
  for (void* object : held) deallocate(object);
}

TEST_F(StatisticsTest, MayBeCollectedWhileOthersAllocate) {
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop.load()) EXPECT_LT(now().allocated_bytes, size_t{4} * kGiB);
  });
  run_threads(3, [](int id) {
    Random random{static_cast<uint64_t>(id)};
    std::vector<void*> held;
    for (int i = 0; i < 10000; ++i) {
      held.push_back(allocate(random.below(1000) + (i % 100 == 0 ? kLargestSmall : 0)));
      if (held.size() < 100) continue;
      for (void* object : held) deallocate(object);
      held.clear();
    }
    for (void* object : held) deallocate(object);
  });
  stop = true;
  reader.join();
}

TEST(StatisticsBeforeTheHeap, AreAllZero) {
  if (bootstrapped()) GTEST_SKIP() << "another test has set the heap up";
  HeapStatistics statistics;
  collect_statistics(statistics);
  EXPECT_EQ(statistics.committed_bytes, 0u);
  EXPECT_EQ(validate_heap(), nullptr);
}

}  // namespace
}  // namespace tenure
