#include <dlfcn.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <vector>

#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/pattern.h"
#include "tests/blackbox/surface/entry_points.h"

namespace blackbox {
namespace {

// No other thread runs and nothing else is allocated between two looks, so sums are exact.
TEST(Introspection, Mallinfo2AddsUp) {
  constexpr size_t kLarge = 1 << 20, kSmall = 1024, kCount = 32;
  malloc_trim(0);
  void* objects[2 * kCount];
  const struct mallinfo2 before = mallinfo2();
  for (size_t i = 0; i < kCount; ++i) {
    objects[i] = malloc(kLarge);
    objects[kCount + i] = malloc(kSmall);
  }
  const struct mallinfo2 during = mallinfo2();
  // Mapped objects are in hblkhd alone, the rest in uordblks.
  EXPECT_EQ(during.hblks, before.hblks + kCount);
  EXPECT_EQ(during.hblkhd, before.hblkhd + kCount * kLarge);
  EXPECT_EQ(during.uordblks, before.uordblks + kCount * malloc_usable_size(objects[kCount]));
  for (void* object : objects) free(object);
  const struct mallinfo2 after = mallinfo2();
  EXPECT_EQ(after.uordblks, before.uordblks);
  EXPECT_EQ(after.hblkhd, before.hblkhd);
  malloc_trim(0);
  const struct mallinfo2 trimmed = mallinfo2();
  EXPECT_EQ(trimmed.uordblks, before.uordblks);
  EXPECT_EQ(trimmed.keepcost, 0u);
  EXPECT_EQ(trimmed.fsmblks, 0u);
  // What was taken for them is not the arena's any more.
  EXPECT_LE(trimmed.arena, before.arena);
  for (const struct mallinfo2& info : {before, during, after, trimmed}) {
    EXPECT_EQ(info.arena, info.uordblks + info.fordblks);
    EXPECT_GE(info.fordblks, info.fsmblks);
    EXPECT_GE(info.fordblks, info.keepcost);
    EXPECT_EQ(info.usmblks, 0u);
  }
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
TEST(Introspection, MallinfoIsMallinfo2InInts) {
  void* object = malloc(10 << 20);
  const struct mallinfo2 wide = mallinfo2();
  const struct mallinfo narrow = mallinfo();
  EXPECT_EQ(narrow.arena, int(wide.arena));
  EXPECT_EQ(narrow.ordblks, int(wide.ordblks));
  EXPECT_EQ(narrow.smblks, int(wide.smblks));
  EXPECT_EQ(narrow.hblks, int(wide.hblks));
  EXPECT_EQ(narrow.hblkhd, int(wide.hblkhd));
  EXPECT_EQ(narrow.usmblks, int(wide.usmblks));
  EXPECT_EQ(narrow.fsmblks, int(wide.fsmblks));
  EXPECT_EQ(narrow.uordblks, int(wide.uordblks));
  EXPECT_EQ(narrow.fordblks, int(wide.fordblks));
  EXPECT_EQ(narrow.keepcost, int(wide.keepcost));
  free(object);
}
#pragma GCC diagnostic pop

TEST(Introspection, MalloptTakesWhatGlibcTakes) {
  for (int parameter : {M_MXFAST, M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX,
                        M_CHECK_ACTION, M_PERTURB, M_ARENA_TEST, M_ARENA_MAX}) {
    int result = mallopt(parameter, parameter == M_MXFAST ? 64 : 0);
    EXPECT_TRUE(result == 0 || result == 1) << parameter;
  }
  mallopt(M_PERTURB, 0);
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  free(opaque(malloc(100)));
}

TEST(Introspection, TrimSaysWhetherItGaveMemoryBack) {
  std::vector<void*> objects;
  for (int i = 0; i < 10000; ++i) objects.push_back(memset(malloc(4000), 1, 4000));
  for (void* object : objects) free(object);
  EXPECT_EQ(malloc_trim(0), 1);
  int again = malloc_trim(0);
  EXPECT_TRUE(again == 0 || again == 1);
  again = malloc_trim(1 << 20);
  EXPECT_TRUE(again == 0 || again == 1);
}

TEST(Introspection, TrimKeepsLiveObjects) {
  std::vector<std::pair<void*, size_t>> live;
  Random random(11);
  for (int i = 0; i < 20000; ++i) {
    size_t size = 1 + random.size(9000);
    void* object = malloc(size);
    fill_pattern(object, size, size);
    if (random.one_in(10))
      live.emplace_back(object, size);
    else
      free(object);
    if (i % 2500 == 0) malloc_trim(0);
  }
  malloc_trim(0);
  for (auto [object, size] : live) {
    ASSERT_EQ(find_mismatch(object, size, size), kNoMismatch);
    free(object);
  }
}

TEST(Introspection, MallocInfoWritesOneDocument) {
  char* text = nullptr;
  size_t length = 0;
  FILE* stream = open_memstream(&text, &length);
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(malloc_info(0, stream), 0);
  fclose(stream);
  std::string document(text, length);
  free(text);
  EXPECT_EQ(document.rfind("<malloc", 0), 0u) << document;
  EXPECT_NE(document.find("</malloc>"), std::string::npos) << document;
  // Every element that opens also closes.
  long depth = 0;
  for (size_t at = document.find('<'); at != std::string::npos; at = document.find('<', at + 1)) {
    size_t end = document.find('>', at);
    ASSERT_NE(end, std::string::npos);
    if (document[at + 1] == '/')
      --depth;
    else if (document[end - 1] != '/' && document[at + 1] != '?' && document[at + 1] != '!')
      ++depth;
    ASSERT_GE(depth, 0);
  }
  EXPECT_EQ(depth, 0) << document;
}

// The number in the element that begins with `element`.
size_t number_in(const std::string& document, const std::string& element, const char* name) {
  const size_t at = document.find(element);
  const size_t value = document.find(std::string(" ") + name + "=\"", at);
  if (at == std::string::npos || value == std::string::npos) return ~size_t(0);
  return strtoull(document.c_str() + document.find('"', value) + 1, nullptr, 10);
}

std::string malloc_info_text() {
  char buffer[16384];
  FILE* stream = fmemopen(buffer, sizeof buffer, "w");
  EXPECT_EQ(malloc_info(0, stream), 0);
  const long length = ftell(stream);
  fclose(stream);
  return {buffer, size_t(length)};
}

TEST(Introspection, MallocInfoSaysWhatIsHeld) {
  constexpr size_t kSize = 50 << 20;
  malloc_trim(0);
  const std::string document = malloc_info_text();
  const size_t before = number_in(document, "<system type=\"current\"", "size");
  const size_t large = number_in(document, "<total type=\"large\"", "size");
  void* object = malloc(kSize);
  const std::string during = malloc_info_text();
  free(object);
  malloc_trim(0);
  const std::string after = malloc_info_text();
  EXPECT_GE(number_in(during, "<system type=\"current\"", "size"), before + kSize);
  EXPECT_EQ(number_in(during, "<total type=\"large\"", "size"), large + kSize);
  EXPECT_EQ(number_in(during, "<total type=\"large\"", "count"),
            number_in(document, "<total type=\"large\"", "count") + 1);
  EXPECT_LE(number_in(after, "<system type=\"current\"", "size"), before + (1 << 20));
  EXPECT_EQ(number_in(after, "<total type=\"large\"", "size"), large);
  EXPECT_GE(number_in(after, "<system type=\"max\"", "size"), before + kSize);
  EXPECT_GE(number_in(after, "<aspace type=\"total\"", "size"),
            number_in(after, "<aspace type=\"mprotect\"", "size"));
  EXPECT_GE(number_in(after, "<aspace type=\"mprotect\"", "size"),
            number_in(after, "<system type=\"max\"", "size"));
  EXPECT_LE(number_in(during, "<class", "waste"), 100u) << during;
}

TEST(Introspection, MallocInfoRefusesOptions) {
  FILE* stream = fopen("/dev/null", "w");
  ASSERT_NE(stream, nullptr);
  errno = 0;
  int result = malloc_info(opaque(1), stream);
  // The manual promises -1 and errno; glibc itself returns EINVAL.
  EXPECT_TRUE(result == EINVAL || (result == -1 && errno == EINVAL)) << result;
  fclose(stream);
}

TEST(Introspection, MallocStatsWritesToStderr) {
  testing::internal::CaptureStderr();
  malloc_stats();
  EXPECT_FALSE(testing::internal::GetCapturedStderr().empty());
}

TEST(Introspection, OldProgramsFindCfree) {
  using Function = void (*)(void*);
  auto function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, "cfree"));
  ASSERT_NE(function, nullptr);
  Dl_info info, home;
  ASSERT_NE(dladdr(reinterpret_cast<void*>(function), &info), 0);
  ASSERT_NE(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &home), 0);
  EXPECT_EQ(info.dli_fbase, home.dli_fbase);
  for (int i = 0; i < 1000; ++i) function(malloc(size_t(i)));
  function(nullptr);
}

}  // namespace
}  // namespace blackbox
