#include "rcu/cpu_fence.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "rcu/rseq_ops.h"
#include "tests/rcu/per_cpu_region.h"
#include "tests/rcu/sequences.h"

namespace tenure {
namespace {

TEST(CpuFence, RegistersOnceOrMore) {
  if (!cpu_fence_register()) GTEST_SKIP() << "no fence on this kernel";
  EXPECT_TRUE(cpu_fence_register());
  EXPECT_TRUE(cpu_fence());
}

TEST(CpuFence, RegistersByItself) {
  const bool known = cpu_fence_register();
  EXPECT_EQ(cpu_fence(), known);
}

TEST(CpuFence, KeepsErrno) {
  errno = 4711;
  cpu_fence_register();
  cpu_fence();
  EXPECT_EQ(errno, 4711);
}

TEST(CpuFence, WorksInAForkChild) {
  if (!cpu_fence_register()) GTEST_SKIP() << "no fence on this kernel";
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(cpu_fence() ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

struct alignas(64) Object {
  std::atomic<uint64_t> link;
  std::atomic<uint32_t> taken;
};

// The fence's whole point: after an exchange to STOPPED and a fence, a word that still says STOPPED is the
// drainer's, although sections that had loaded the old word were under way.
TEST(CpuFence, StoppedWordIsTheDrainersAfterTheFence) {
  const RseqAbi abi = sequences();
  if (!abi.usable) GTEST_SKIP() << "no restartable sequences";
  constexpr uint32_t kSlot = kRootFrontOffset, kFree = kSlot + 8;
  constexpr uint32_t kObjects = 16, kDrains = 1000;
  constexpr uint16_t kLimit = 2 * kObjects;
  const PerCpuRegion region;
  char* const base = region.base();
  std::vector<Object> objects(kObjects);
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  uint32_t cpu = 0;
  while (!CPU_ISSET(cpu, &all)) ++cpu;
  std::atomic<ChainWord>& word = region.word(cpu, kFree);
  word.store(empty_word(kLimit));
  for (Object& object : objects) word.store(chain_push(&object, word.load()));

  std::atomic<uint32_t> wrong{0}, pairs{0};
  std::atomic<bool> stop{false};
  std::thread worker([&] {
    if (!pin_to(cpu)) ++wrong;
    joined(abi);
    const uint32_t slot = kSlot;
    Object* held = nullptr;
    while (!stop.load(std::memory_order_relaxed) || held != nullptr) {
      if (held == nullptr) {
        held = static_cast<Object*>(rseq_pop(base, abi.offset, kSlot, 8));
        if (held && held->taken.exchange(1) != 0) ++wrong;
      }
      if (held == nullptr) continue;
      held->taken.store(0);
      if (rseq_push(base, abi.offset, slot, held)) {
        held = nullptr;
        pairs.fetch_add(1, std::memory_order_relaxed);
      } else {
        held->taken.store(1);
      }
    }
  });

  // On another CPU than the worker's, where there is one.
  const PinHere back;
  for (uint32_t other = cpu + 1; other < region.cpus(); ++other) {
    if (CPU_ISSET(other, &all) && pin_to(other)) break;
  }
  uint32_t drained = 0;
  uint32_t last = 0;
  // Fewer where the two share a CPU, or it is busy: each round waits for the worker's turn.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  for (uint32_t round = 0; round < kDrains; ++round) {
    if (drained > 0 && std::chrono::steady_clock::now() > end) break;
    // The worker is in the middle of its loop, not stopped since the last round.
    while (pairs.load(std::memory_order_relaxed) == last) std::this_thread::yield();
    last = pairs.load(std::memory_order_relaxed);
    const ChainWord seen = word.exchange(kStoppedWord, std::memory_order_acq_rel);
    if (!cpu_fence()) {
      ++wrong;
      break;
    }
    if (word.load(std::memory_order_acquire) != kStoppedWord) continue;  // A commit won.
    ++drained;
    ChainWord chain = seen;
    uint32_t count = 0;
    while (has_objects(chain)) {
      auto* object = static_cast<Object*>(first_object(chain));
      if (object->taken.exchange(1) != 0) ++wrong;
      const ChainWord rest = load_link(object);
      if (!follows(rest, chain)) ++wrong;
      chain = rest;
      ++count;
    }
    if (count + 1 < kObjects) ++wrong;  // The worker has at most one.
    for (chain = seen; has_objects(chain); chain = load_link(first_object(chain))) {
      static_cast<Object*>(first_object(chain))->taken.store(0);
    }
    // Nobody else writes to a stopped word.
    ChainWord stopped = kStoppedWord;
    if (!word.compare_exchange_strong(stopped, seen)) ++wrong;
  }
  // A word that stays stopped would leave the worker with its object in hand.
  stop = true;
  worker.join();
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_GT(drained, 0u);
  EXPECT_EQ(chain_length(word.load(), kLimit), kObjects);
}

}  // namespace
}  // namespace tenure
