#include "rcu/rseq_abi.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <thread>

#include <gtest/gtest.h>

#include "rcu/cpu_fence.h"
#include "tests/rcu/per_cpu_region.h"

extern "C" {
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));
}

namespace tenure {
namespace {

TEST(RseqAbi, UsesGlibcsArea) {
  if (&__rseq_offset == nullptr) GTEST_SKIP() << "glibc registers no threads";
  EXPECT_EQ(probe_rseq().offset, __rseq_offset);
}

TEST(RseqAbi, AreaIsReadableInEveryThread) {
  const RseqAbi abi = probe_rseq();
  std::thread([&] {
    EXPECT_EQ(rseq_cpu(abi.offset) >= 0, rseq_cpu(probe_rseq().offset) >= 0);
  }).join();
  if (!abi.usable) return;
  EXPECT_GE(rseq_cpu(abi.offset), 0);
}

TEST(RseqAbi, NamesTheCpu) {
  const RseqAbi abi = probe_rseq();
  if (!abi.usable) GTEST_SKIP() << "no restartable sequences";
  const PinHere back;
  for (uint32_t cpu = 0; cpu < possible_cpus(); ++cpu) {
    if (pin_to(cpu)) {
      EXPECT_EQ(static_cast<uint32_t>(rseq_cpu(abi.offset)), cpu);
    }
  }
}

TEST(RseqAbi, TunableTurnsItOff) {
  const char* tunables = getenv("GLIBC_TUNABLES");
  if (tunables == nullptr || strstr(tunables, "glibc.pthread.rseq=0") == nullptr) {
    GTEST_SKIP() << "the tunable is not set";
  }
  const RseqAbi abi = probe_rseq();
  EXPECT_FALSE(abi.usable);
  EXPECT_LT(rseq_cpu(abi.offset), 0);
}

TEST(RseqAbi, UsableMeansThatFencesAreToBeHad) {
  if (probe_rseq().usable) {
    EXPECT_TRUE(cpu_fence());
  }
}

TEST(RseqAbi, RegistrationEndsAndIsRestored) {
  const RseqAbi abi = probe_rseq();
  if (!abi.usable) {
    EXPECT_EQ(rseq_unregister(abi.offset), 0u);
    return;
  }
  const PinHere back;
  errno = 99;
  const uint32_t length = rseq_unregister(abi.offset);
  ASSERT_GE(length, 32u);
  EXPECT_LT(rseq_cpu(abi.offset), 0);
  EXPECT_EQ(rseq_unregister(abi.offset), 0u) << "there is nothing left to end";
  EXPECT_TRUE(rseq_register(abi.offset, length));
  EXPECT_GE(rseq_cpu(abi.offset), 0);
  EXPECT_EQ(errno, 99);
}

TEST(RseqAbi, ProbingTwiceGivesTheSame) {
  const RseqAbi first = probe_rseq(), second = probe_rseq();
  EXPECT_EQ(first.usable, second.usable);
  EXPECT_EQ(first.offset, second.offset);
}

}  // namespace
}  // namespace tenure
