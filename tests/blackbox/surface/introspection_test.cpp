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

TEST(Introspection, Mallinfo2FollowsTheHeap) {
  struct mallinfo2 before = mallinfo2();
  std::vector<void*> objects;
  for (int i = 0; i < 32; ++i) objects.push_back(malloc(1 << 20));
  for (int i = 0; i < 32768; ++i) objects.push_back(malloc(1000));
  struct mallinfo2 during = mallinfo2();
  // glibc counts mapped objects in hblkhd, the rest in uordblks.
  EXPECT_GE(during.uordblks + during.hblkhd, before.uordblks + before.hblkhd + (60u << 20));
  for (void* object : objects) free(object);
  struct mallinfo2 after = mallinfo2();
  EXPECT_LE(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd + (4u << 20));
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
TEST(Introspection, MallinfoFollowsTheHeap) {
  void* object = malloc(10 << 20);
  struct mallinfo during = mallinfo();
  EXPECT_GE(during.uordblks + during.hblkhd, 10 << 20);
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
