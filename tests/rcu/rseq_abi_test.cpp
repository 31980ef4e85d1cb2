#include "rcu/rseq_abi.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include <gtest/gtest.h>

#include "base/system/sandbox.h"
#include "rcu/cpu_fence.h"
#include "tests/rcu/per_cpu_region.h"
#include "tests/rcu/sequences.h"

extern "C" {
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));
}

namespace tenure {
namespace {

bool glibc_registers() { return &__rseq_size != nullptr && __rseq_size != 0; }

// An area of the test's, which belongs to nobody else in this process.
struct alignas(32) ForeignArea {
  uint32_t words[8] = {};
};
#if defined(__x86_64__)
constexpr long kRseqCall = 334;
constexpr uint32_t kSignature = 0x53053053;
#else
constexpr long kRseqCall = 293;
constexpr uint32_t kSignature = 0xd428bc00;
#endif
int register_foreign(ForeignArea& area) {
  return syscall(kRseqCall, &area, sizeof area, 0, kSignature) == 0 ? 0 : errno;
}

// In a thread of its own where the library registers threads.
template <typename Fn>
void in_new_thread(Fn fn) {
  std::thread([&] { fn(); }).join();
}

TEST(RseqAbi, UsesGlibcsAreaWhereGlibcHasRegistered) {
  const RseqAbi abi = sequences();
  if (!abi.usable) GTEST_SKIP() << "no restartable sequences";
  EXPECT_EQ(abi.own, !glibc_registers());
  if (!abi.own) EXPECT_EQ(abi.offset, __rseq_offset);
  EXPECT_EQ(abi.offset, rseq_offset(abi.own));
}

TEST(RseqAbi, AreaIsReadableInEveryThread) {
  const RseqAbi abi = sequences();
  in_new_thread([&] {
    EXPECT_EQ(rseq_cpu(abi.offset) >= 0, abi.usable && !abi.own);
    joined(abi);
    EXPECT_EQ(rseq_cpu(abi.offset) >= 0, abi.usable);
  });
  if (!abi.usable) return;
  EXPECT_GE(rseq_cpu(abi.offset), 0);
}

TEST(RseqAbi, NamesTheCpu) {
  const RseqAbi abi = sequences();
  if (!abi.usable) GTEST_SKIP() << "no restartable sequences";
  const PinHere back;
  for (uint32_t cpu = 0; cpu < possible_cpus(); ++cpu) {
    if (pin_to(cpu)) {
      EXPECT_EQ(static_cast<uint32_t>(rseq_cpu(abi.offset)), cpu);
    }
  }
}

TEST(RseqAbi, CanBeTurnedOff) {
  const RseqAbi off = probe_rseq(RseqUse::kOff);
  EXPECT_FALSE(off.usable);
  EXPECT_LT(rseq_cpu(off.offset), 0);
  const RseqAbi glibcs = probe_rseq(RseqUse::kGlibc);
  EXPECT_FALSE(glibcs.own);
  if (!glibc_registers()) {
    EXPECT_FALSE(glibcs.usable);
    EXPECT_LT(rseq_cpu(glibcs.offset), 0);
  }
}

TEST(RseqAbi, UsableMeansThatFencesAreToBeHad) {
  if (sequences().usable) {
    EXPECT_TRUE(cpu_fence());
  }
}

TEST(RseqAbi, RegistrationIsSuspendedAndResumed) {
  const RseqAbi abi = sequences();
  if (rseq_cpu(abi.offset) < 0) {
    EXPECT_EQ(rseq_suspend(abi), 0u);
    return;
  }
  errno = 99;
  const uint32_t length = rseq_suspend(abi);
  ASSERT_GE(length, 32u);
  EXPECT_LT(rseq_cpu(abi.offset), 0);
  EXPECT_FALSE(abi.own && rseq_join(abi.offset)) << "suspended threads do not join";
  EXPECT_EQ(rseq_suspend(abi), 0u) << "there is nothing left to end";
  EXPECT_TRUE(rseq_resume(abi.offset, length));
  EXPECT_GE(rseq_cpu(abi.offset), 0);
  EXPECT_EQ(errno, 99);
}

TEST(RseqAbi, ProbingTwiceGivesTheSame) {
  const RseqAbi first = sequences(), second = sequences();
  EXPECT_EQ(first.usable, second.usable);
  EXPECT_EQ(first.offset, second.offset);
}

class OwnRseq : public testing::Test {
protected:
  void SetUp() override {
    if (!abi_.own) GTEST_SKIP() << "the library registers no threads";
  }
  const RseqAbi abi_ = sequences();
};

TEST_F(OwnRseq, JoiningTwiceIsJoiningOnce) {
  in_new_thread([&] {
    errno = 99;
    EXPECT_TRUE(rseq_join(abi_.offset));
    EXPECT_TRUE(rseq_join(abi_.offset));
    EXPECT_EQ(errno, 99);
  });
}

// Between a look at the area and the system call, a handler has joined.
TEST_F(OwnRseq, JoinsWhereAHandlerWasFaster) {
  in_new_thread([&] {
    EXPECT_TRUE(rseq_join(abi_.offset));
    char* const area = static_cast<char*>(__builtin_thread_pointer()) + abi_.offset;
    *reinterpret_cast<volatile int32_t*>(area + kRseqCpuId) = kRseqNeverRegistered;
    EXPECT_TRUE(rseq_join(abi_.offset));
  });
}

// Whoever registered the thread first keeps it.
TEST_F(OwnRseq, ThreadOfAnotherRegistrationIsLeftAlone) {
  static ForeignArea foreign;
  in_new_thread([&] {
    ASSERT_EQ(register_foreign(foreign), 0);
    EXPECT_FALSE(rseq_join(abi_.offset));
    EXPECT_EQ(rseq_cpu(abi_.offset), kRseqRefused);
    EXPECT_FALSE(rseq_join(abi_.offset));
    EXPECT_EQ(register_foreign(foreign), EBUSY);
  });
}

TEST_F(OwnRseq, OthersAreRefusedAfterwards) {
  static ForeignArea foreign;
  in_new_thread([&] {
    EXPECT_TRUE(rseq_join(abi_.offset));
    EXPECT_EQ(register_foreign(foreign), EINVAL);
    EXPECT_GE(rseq_cpu(abi_.offset), 0);
  });
}

TEST_F(OwnRseq, NobodyJoinsInASandbox) {
  in_new_thread([&] {
    ASSERT_TRUE(expect_filter());
    EXPECT_FALSE(rseq_join(abi_.offset));
    EXPECT_EQ(rseq_cpu(abi_.offset), kRseqNeverRegistered);
    expect_no_filter();
    EXPECT_TRUE(rseq_join(abi_.offset)) << "the kernel has refused the filter";
  });
}

TEST_F(OwnRseq, ForkChildKeepsItsRegistration) {
  const pid_t child = fork();
  if (child == 0) {
    static ForeignArea foreign;
    const bool kept = rseq_cpu(abi_.offset) >= 0 && register_foreign(foreign) == EINVAL;
    bool joins = false;
    std::thread([&] { joins = rseq_join(abi_.offset); }).join();
    _exit(kept && joins ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// The child of a vfork that is not the library's, and a thread that clone has made, share the area with another thread.
TEST_F(OwnRseq, NobodyJoinsWithAnothersArea) {
  in_new_thread([&] {
    static bool joins;
    joins = true;
    char* const stack = static_cast<char*>(
        mmap(nullptr, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(stack, MAP_FAILED);
    const pid_t child = clone(
        [](void* abi) {
          joins = rseq_join(static_cast<const RseqAbi*>(abi)->offset);
          return 0;
        },
        stack + (1 << 16), CLONE_VM | CLONE_VFORK | SIGCHLD, const_cast<RseqAbi*>(&abi_));
    ASSERT_GT(child, 0);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    EXPECT_FALSE(joins);
    EXPECT_EQ(rseq_cpu(abi_.offset), kRseqNeverRegistered);
    EXPECT_TRUE(rseq_join(abi_.offset)) << "the owner does";
    munmap(stack, 1 << 16);
  });
}

// Each thread's area lies in its stack's mapping, which goes as soon as the thread has been joined; the next thread gets the same place.
TEST_F(OwnRseq, RegistrationEndsWithTheThread) {
  constexpr size_t kStack = 256 * 1024;
  for (int round = 0; round < 200; ++round) {
    void* const stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    ASSERT_NE(stack, MAP_FAILED);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, kStack);
    pthread_t thread;
    ASSERT_EQ(pthread_create(
                  &thread, &attributes,
                  [](void* abi) -> void* {
                    const ptrdiff_t offset = static_cast<const RseqAbi*>(abi)->offset;
                    if (rseq_cpu(offset) != kRseqNeverRegistered) return abi;
                    return rseq_join(offset) && rseq_cpu(offset) >= 0 ? nullptr : abi;
                  },
                  const_cast<RseqAbi*>(&abi_)),
              0);
    void* wrong = nullptr;
    pthread_join(thread, &wrong);
    pthread_attr_destroy(&attributes);
    munmap(stack, kStack);
    ASSERT_EQ(wrong, nullptr) << round;
  }
}

}  // namespace
}  // namespace tenure
