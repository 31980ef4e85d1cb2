#include "rcu/rseq_ops.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/rcu/ops_contract.h"
#include "tests/rcu/per_cpu_region.h"
#include "tests/rcu/sequences.h"

namespace tenure {
namespace {

constexpr uint32_t kFront = kRootFrontOffset;
constexpr uint32_t kInFront = 32;
constexpr uint32_t kAlloc = kFront + kInFront;  // The word that pop uses; push uses the next one.
constexpr uint32_t kFree = kAlloc + 8;

// Pop works on a slot's first word and push on its second; here both name the same word.
class RseqWord {
public:
  void set(ChainWord word) { region_.word(pin_.cpu(), kFree).store(word); }
  ChainWord get() const { return region_.word(pin_.cpu(), kFree).load(); }
  void* pop() { return rseq_pop(region_.base(), rseq_, kFront, kInFront + 8); }
  bool push(void* object) {
    char* const base = region_.base();
    const uint32_t slot = kAlloc;
    return rseq_push(base, rseq_, slot, object);
  }
  ChainWord compare_exchange(ChainWord expected, ChainWord desired) {
    return rseq_compare_exchange(region_.base(), rseq_, kFree, expected, desired);
  }
  const PerCpuRegion& region() const { return region_; }
  uint32_t cpu() const { return pin_.cpu(); }

private:
  PinHere pin_;
  PerCpuRegion region_;
  const ptrdiff_t rseq_ = sequences().offset;
};

// A slot with both of its words.
class RseqPair {
public:
#if defined(__x86_64__)
  static constexpr bool kSwaps = true;
#else
  static constexpr bool kSwaps = false;
#endif

  void set(ChainWord alloc, ChainWord free) {
    region_.word(pin_.cpu(), kAlloc).store(alloc);
    region_.word(pin_.cpu(), kFree).store(free);
  }
  ChainWord alloc() const { return region_.word(pin_.cpu(), kAlloc).load(); }
  ChainWord free() const { return region_.word(pin_.cpu(), kFree).load(); }
  void* pop() { return rseq_pop_pair(region_.base(), rseq_, kFront, kInFront); }
  bool push(void* object) {
    char* const base = region_.base();
    const uint32_t slot = kAlloc;
    return rseq_push(base, rseq_, slot, object);
  }

private:
  PinHere pin_;
  PerCpuRegion region_;
  const ptrdiff_t rseq_ = sequences().offset;
};

class RseqOps : public testing::Test {
protected:
  void SetUp() override {
    if (!sequences().usable) GTEST_SKIP() << "no restartable sequences";
  }
};

TEST_F(RseqOps, KeepsTheContract) {
  RseqWord word;
  check_contract(word);
}

TEST_F(RseqOps, FillsAndEmpties) {
  RseqWord word;
  check_fill_and_empty(word);
}

TEST_F(RseqOps, BrokenChainsStayWhereTheyAre) {
  RseqWord word;
  check_broken_chains(word);
  static ContractObject a;
  const ChainWord chain = chain_push(&a, empty_word(kContractLimit));
  a.words[0] = 0;
  word.set(chain);
  EXPECT_EQ(word.pop(), nullptr);
  EXPECT_EQ(word.get(), chain);
}

TEST_F(RseqOps, HeadIsNotPushedTwice) {
  RseqWord word;
  check_push_of_the_head(word);
}

TEST_F(RseqOps, PairKeepsTheContract) {
  RseqPair pair;
  check_pair_contract(pair);
}

TEST_F(RseqOps, BrokenFreeListsAreNotSwapped) {
  RseqPair pair;
  check_broken_pairs(pair);
}

TEST_F(RseqOps, PairNeverRunsDry) {
  if (!RseqPair::kSwaps) GTEST_SKIP() << "swaps are left to the slow path";
  RseqPair pair;
  check_endless_pairs(pair);
}

TEST_F(RseqOps, TouchesNoOtherWord) {
  RseqWord word;
  check_contract(word);
  word.set(kClosedWord);
  for (uint32_t cpu = 0; cpu < word.region().cpus(); ++cpu) {
    for (uint32_t offset = 0; offset < kPageSize; offset += 8) {
      ASSERT_EQ(word.region().word(cpu, offset).load(), 0u) << cpu << " " << offset;
    }
  }
}

TEST_F(RseqOps, UsesTheCurrentCpusWord) {
  const PinHere back;
  const PerCpuRegion region;
  char* const base = region.base();
  const ptrdiff_t rseq = sequences().offset;
  const uint32_t slot = kAlloc;
  std::vector<ContractObject> objects(region.cpus());
  for (uint32_t cpu = 0; cpu < region.cpus(); ++cpu) {
    region.word(cpu, kFree).store(empty_word(8));
    if (!pin_to(cpu)) continue;
    EXPECT_TRUE(rseq_push(base, rseq, slot, &objects[cpu]));
    EXPECT_EQ(first_object(region.word(cpu, kFree).load()), &objects[cpu]);
  }
}

// What a thread without registration, whose CPU reads as -1, gets: closed words.
void expect_closed(const PerCpuRegion& region, ptrdiff_t rseq) {
  ASSERT_LT(rseq_cpu(rseq), 0);
  char* const base = region.base();
  const uint32_t slot = kAlloc;
  ContractObject object{{0x5555, 0}};
  EXPECT_EQ(rseq_pop(base, rseq, kFront, kInFront), nullptr);
  EXPECT_EQ(rseq_pop_pair(base, rseq, kFront, kInFront), nullptr);
  EXPECT_FALSE(rseq_push(base, rseq, slot, &object));
  EXPECT_EQ(object.words[0], 0x5555u);
  EXPECT_EQ(rseq_compare_exchange(base, rseq, kFree, empty_word(8), 42), kClosedWord);
  for (uint32_t cpu = 0; cpu < region.cpus(); ++cpu)
    EXPECT_EQ(region.word(cpu, kFree).load(), empty_word(8));
}

TEST(RseqOpsUnregistered, EveryWordIsClosed) {
  const PerCpuRegion region;
  for (uint32_t cpu = 0; cpu < region.cpus(); ++cpu) region.word(cpu, kFree).store(empty_word(8));
  const RseqAbi abi = sequences();
  if (rseq_cpu(abi.offset) < 0) {
    expect_closed(region, abi.offset);
    return;
  }
#if defined(__x86_64__)
  constexpr uint32_t kSignature = 0x53053053;
#else
  constexpr uint32_t kSignature = 0xd428bc00;
#endif
  bool unregistered = false;
  std::thread([&] {
    joined(abi);
    char* const area = static_cast<char*>(__builtin_thread_pointer()) + abi.offset;
    // The field would name a section of the past.
    *reinterpret_cast<volatile uint64_t*>(area + kRseqCs) = 0;
    constexpr int kUnregister = 1;
    unregistered = syscall(SYS_rseq, area, 32, kUnregister, kSignature) == 0;
    if (unregistered) expect_closed(region, abi.offset);
  }).join();
  if (!unregistered) GTEST_SKIP() << "the kernel does not unregister this area";
}

TEST(RseqOpsUnregistered, FrontIsTheRootsBeforeAnythingRan) {
  std::thread([] { EXPECT_EQ(this_thread.scope.front, kRootFrontOffset); }).join();
}

}  // namespace
}  // namespace tenure
