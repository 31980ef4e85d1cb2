// Forced aborts: signals and migrations hit the critical sections of rcu/rseq_ops.h, from outside and from handlers that
// run the same operations on the same words. No object may be lost or handed out twice.
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include <gtest/gtest.h>

#include "base/words/tagged_stack.h"
#include "rcu/rseq_ops.h"
#include "tests/rcu/interrupted_workers.h"
#include "tests/rcu/per_cpu_region.h"
#include "tests/rcu/sequences.h"

namespace tenure {
namespace {

constexpr uint32_t kAlloc = kRootFrontOffset;
constexpr uint32_t kFree = kAlloc + 8;
constexpr uint16_t kLimit = 8;

struct alignas(64) Object {
  std::atomic<uint64_t> link;
  std::atomic<uint64_t> next_chain;  // Of the depot's chain that starts here.
  std::atomic<uint32_t> taken;
};

struct DepotLinks {
  static std::atomic<uint64_t>& word(uint64_t chain) {
    return static_cast<Object*>(first_object(chain))->next_chain;
  }
  static uint64_t load(uint64_t chain) { return word(chain).load(std::memory_order_relaxed); }
  static void store(uint64_t chain, uint64_t next) {
    word(chain).store(next, std::memory_order_relaxed);
  }
};

class Storm {
public:
  static constexpr uint32_t kRounds = 1500000;
  static constexpr uint32_t kObjects = 24;

  Storm() : base_(region_.base()), objects_(kObjects) {
    for (uint32_t cpu = 0; cpu < region_.cpus(); ++cpu) {
      region_.word(cpu, kAlloc).store(empty_word(kLimit));
      region_.word(cpu, kFree).store(empty_word(kLimit));
    }
    const auto here = static_cast<uint32_t>(sched_getcpu());
    for (uint32_t i = 0; i < kObjects; ++i) {
      std::atomic<ChainWord>& word = region_.word(here, i % 2 ? kAlloc : kFree);
      word.store(chain_push(&objects_[i], word.load()));
    }
  }

  void run() {
    workers_.run(kRounds, [this](uint32_t) { step(); });
  }

  uint32_t wrong() const { return wrong_.load(); }
  uint64_t done() const { return done_.load(); }

  // How often each object lies in some list; empty if a chain is broken.
  std::vector<uint32_t> census() {
    std::vector<uint32_t> seen(kObjects, 0);
    for (uint32_t cpu = 0; cpu < region_.cpus(); ++cpu) {
      for (const uint32_t offset : {kAlloc, kFree}) {
        const ChainWord chain = region_.word(cpu, offset).load();
        if (has_objects(chain)) depot_.push(chain);
      }
    }
    while (ChainWord chain = depot_.pop()) {
      for (uint32_t steps = 0; has_objects(chain) && steps <= kObjects; ++steps) {
        auto* object = static_cast<Object*>(first_object(chain));
        ++seen[static_cast<size_t>(object - objects_.data())];
        const ChainWord rest = load_link(object);
        if (!follows(rest, chain)) return {};
        chain = rest;
      }
    }
    return seen;
  }

private:
  // One allocation and one free as the allocator does them, interrupted anywhere.
  void step() {
    Object* object = static_cast<Object*>(rseq_pop_pair(base_, rseq_, kRootFrontOffset, 0));
    if (object == nullptr) {
      refill();
      return;
    }
    if (object->taken.exchange(1) != 0) wrong_.fetch_add(1);
    object->link.store(0x4141414141414141, std::memory_order_relaxed);
    object->taken.store(0);
    done_.fetch_add(1, std::memory_order_relaxed);
    put(object);
  }

  void put(Object* object) {
    const uint32_t slot = kAlloc;
    while (!rseq_push(base_, rseq_, slot, object)) {
      // Full: the list is replaced by one with this object alone and goes to the depot.
      const ChainWord word = load(kFree);
      if (accepts_push(word)) continue;
      const ChainWord alone = chain_push(object, empty_word(kLimit));
      if (rseq_compare_exchange(base_, rseq_, kFree, word, alone) != word) continue;
      depot_.push(word);
      return;
    }
  }

  void refill() {
    ChainWord chain = load(kFree);
    if (!has_objects(chain) ||
        rseq_compare_exchange(base_, rseq_, kFree, chain, empty_word(kLimit)) != chain) {
      chain = depot_.pop();
      if (!has_objects(chain)) return;
    }
    const ChainWord word = load(kAlloc);
    if (has_objects(word) || rseq_compare_exchange(base_, rseq_, kAlloc, word, chain) != word) {
      depot_.push(chain);
    }
  }

  ChainWord load(uint32_t offset) const {
    return region_.word(static_cast<uint32_t>(rseq_cpu(rseq_)), offset)
        .load(std::memory_order_acquire);
  }

  const RseqAbi abi_ = sequences();
  const ptrdiff_t rseq_ = abi_.offset;
  const PerCpuRegion region_;
  char* const base_;
  std::vector<Object> objects_;
  TaggedStack<DepotLinks> depot_;
  InterruptedWorkers workers_{abi_, region_.cpus()};
  std::atomic<uint32_t> wrong_{0};
  std::atomic<uint64_t> done_{0};
};

TEST(RseqStorm, NothingIsLostOrDoubled) {
  if (!sequences().usable) GTEST_SKIP() << "no restartable sequences";
  Storm storm;
  storm.run();
  EXPECT_EQ(storm.wrong(), 0u);
  EXPECT_GT(storm.done(), 0u);
  const std::vector<uint32_t> seen = storm.census();
  ASSERT_EQ(seen.size(), Storm::kObjects) << "a chain is broken";
  for (uint32_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], 1u) << "object " << i;
}

}  // namespace
}  // namespace tenure
