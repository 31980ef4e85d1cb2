#include <gtest/gtest.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include "tenure/tenure.h"

#ifndef SYS_rseq
#define SYS_rseq 334
#endif

namespace blackbox {
namespace {

// A second area is refused with EINVAL to who has one, a bad length to who has none; ENOSYS where there are no sequences.
bool kernel_has_sequences() {
  const bool sequences = syscall(SYS_rseq, nullptr, 1, 0, 0) != 0 && errno == EINVAL;
  constexpr long kRseqFence = 1 << 7;
  const long fences = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  return sequences && fences > 0 && (fences & kRseqFence) != 0;
}

bool variable_is(const char* name, const char* value) {
  const char* const text = getenv(name);
  return text != nullptr && strcmp(text, value) == 0;
}

// Whether somebody has registered the calling thread.
bool is_registered() {
  alignas(32) static thread_local unsigned area[8] = {};
#if defined(__x86_64__)
  constexpr unsigned kSignature = 0x53053053;
#else
  constexpr unsigned kSignature = 0xd428bc00;
#endif
  if (syscall(SYS_rseq, area, sizeof area, 0, kSignature) != 0) return true;
  constexpr int kUnregister = 1;
  syscall(SYS_rseq, area, sizeof area, kUnregister, kSignature);
  return false;
}

const char* expected_mode() {
  if (const char* const expected = getenv("TENURE_TEST_EXPECT_MODE"))
    return expected;  // builds without rseq name theirs
  // Hardened chains are not for restartable sequences.
  if (variable_is("TENURE_CHECK", "hardened") || variable_is("TENURE_RSEQ", "off"))
    return "fallback";
  return kernel_has_sequences() ? "rseq" : "fallback";
}

// Guards the rest of the suite: a build that silently falls back would otherwise pass in all modes.
TEST(Mode, IsTheOneTheEnvironmentAsksFor) { EXPECT_STREQ(tenure_mode(), expected_mode()); }

// By glibc, or by the library from the thread's first call on: of malloc, of free, or for a large object.
TEST(Mode, ThreadsAreRegistered) {
  if (strcmp(tenure_mode(), "rseq") != 0) GTEST_SKIP() << "no restartable sequences";
  EXPECT_TRUE(is_registered());
  void* object = malloc(100);
  std::thread([&] {
    free(object);
    EXPECT_TRUE(is_registered()) << "after free";
  }).join();
  std::thread([] {
    free(malloc(1000));
    EXPECT_TRUE(is_registered()) << "after malloc";
  }).join();
  std::thread([] {
    free(calloc(1, 1000000));
    EXPECT_TRUE(is_registered()) << "after calloc";
  }).join();
}

TEST(Mode, VersionIsANumber) {
  std::string version = tenure_version();
  EXPECT_NE(version.find('.'), std::string::npos) << version;
}

}  // namespace
}  // namespace blackbox
