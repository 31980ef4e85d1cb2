#include "base/stack/stack_walk.h"

#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "base/words/attributes.h"

namespace tenure {
namespace {

// Of a fixed length: a signal handler fills them in.
struct Frames {
  const void* at[64];
  size_t depth = 0;
  size_t size() const { return depth; }
  const void* operator[](size_t i) const { return at[i]; }
  const void* const* begin() const { return at; }
  const void* const* end() const { return at + depth; }
};

Frames walk() {
  Frames frames;
  frames.depth = walk_stack(frames.at, 64);
  return frames;
}
Frames walk_of_libgcc() {
  Frames frames;
  frames.depth = static_cast<size_t>(backtrace(const_cast<void**>(frames.at), 64));
  return frames;
}

// Both unwinders see the same callers; they differ in the functions that call them.
void expect_same(const Frames& ours, const Frames& theirs) {
  ASSERT_GT(ours.size(), 4u);
  std::vector<const void*> shorter(ours.begin(), ours.end()), longer(theirs.begin(), theirs.end());
  std::reverse(shorter.begin(), shorter.end());
  std::reverse(longer.begin(), longer.end());
  // Beyond the function that starts the thread libgcc may go one further.
  while (!longer.empty() && longer.front() != shorter.front()) longer.erase(longer.begin());
  ASSERT_FALSE(longer.empty());
  const size_t common = std::min(shorter.size(), longer.size());
  size_t same = 0;
  while (same < common && shorter[same] == longer[same]) ++same;
  EXPECT_GE(same + 3, shorter.size());
}

TENURE_NOINLINE void plain(int depth, void (*then)()) {
  if (depth == 0) {
    then();
  } else {
    plain(depth - 1, then);
  }
  asm volatile("");
}
// By the frame pointer.
TENURE_NOINLINE void with_alloca(size_t bytes, void (*then)()) {
  auto* const room = static_cast<volatile char*>(__builtin_alloca(bytes));
  room[0] = 1;
  then();
  room[bytes - 1] = 2;
}
// By an expression.
TENURE_NOINLINE void aligned(void (*then)()) {
  struct alignas(128) Wide {
    volatile char bytes[256];
  } wide;
  asm volatile("" : : "r"(&wide) : "memory");
  then();
  asm volatile("" : : "r"(&wide) : "memory");
}

Frames ours, theirs;
TENURE_NOINLINE void look() {
  ours = walk();
  theirs = walk_of_libgcc();
  asm volatile("");
}

TEST(StackWalk, PlainFrames) {
  plain(10, look);
  EXPECT_GE(ours.size(), 12u);
  expect_same(ours, theirs);
}

TEST(StackWalk, FramesOfFramePointersAndExpressions) {
  with_alloca(1000, [] { aligned([] { plain(3, look); }); });
  expect_same(ours, theirs);
}

TEST(StackWalk, NoDeeperThanAskedFor) {
  static size_t depth;
  plain(100, [] {
    const void* frames[16];
    depth = walk_stack(frames, 16);
  });
  EXPECT_EQ(depth, 16u);
}

TEST(StackWalk, ThroughASignalHandler) {
  struct sigaction action = {};
  action.sa_handler = [](int) { look(); };
  sigaction(SIGUSR1, &action, nullptr);
  plain(5, [] { raise(SIGUSR1); });
  expect_same(ours, theirs);
  EXPECT_GE(ours.size(), 10u);
}

TEST(StackWalk, OnAnotherStack) {
  static ucontext_t here, there;
  static char stack[256 * 1024];
  ASSERT_EQ(getcontext(&there), 0);
  there.uc_stack.ss_sp = stack;
  there.uc_stack.ss_size = sizeof stack;
  there.uc_link = &here;
  makecontext(&there, reinterpret_cast<void (*)()>(+[] { plain(4, look); }), 0);
  ASSERT_EQ(swapcontext(&here, &there), 0);
  EXPECT_GE(ours.size(), 5u);
  EXPECT_LT(ours.size(), 12u);
}

TEST(StackWalk, RulesAreTheSameWhenTheyAreForgotten) {
  plain(6, look);
  const Frames before = ours;
  forget_frame_rules();
  plain(6, look);
  // But for the two places in this function.
  ASSERT_EQ(ours.size(), before.size());
  size_t differing = 0;
  for (size_t i = 0; i < ours.size(); ++i) differing += ours[i] != before[i];
  EXPECT_EQ(differing, 1u);
}

}  // namespace
}  // namespace tenure
