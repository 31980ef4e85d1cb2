#include "rcu/rseq_fallback.h"

#include <pthread.h>
#include <signal.h>

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/rcu/ops_contract.h"

namespace tenure {
namespace {

class FallbackWord {
public:
  void set(ChainWord word) { word_.store(word); }
  ChainWord get() const { return word_.load(); }
  void* pop() {
    const FallbackPop popped = fallback_pop(word_, kContractLimit);
    EXPECT_FALSE(has_objects(popped.stray));
    return popped.broken ? nullptr : popped.object;
  }
  bool push(void* object) { return fallback_push(word_, object); }
  ChainWord compare_exchange(ChainWord expected, ChainWord desired) {
    word_.compare_exchange_strong(expected, desired);
    return expected;
  }

private:
  std::atomic<ChainWord> word_{0};
};

// At the hardened level the fallback serves with encoded links.
class Fallback : public testing::TestWithParam<uint64_t> {
protected:
  Fallback() { chain_key = GetParam(); }
  ~Fallback() override { chain_key = 0; }
};

TEST_P(Fallback, KeepsTheContract) {
  FallbackWord word;
  check_contract(word);
}

TEST_P(Fallback, FillsAndEmpties) {
  FallbackWord word;
  check_fill_and_empty(word);
}

TEST_P(Fallback, BrokenChainsAreReportedAndDropped) {
  FallbackWord word;
  check_broken_chains(word);
  static ContractObject a;
  std::atomic<ChainWord> slot{chain_push(&a, empty_word(kContractLimit))};
  a.words[0] = ~a.words[0];
  const FallbackPop popped = fallback_pop(slot, kContractLimit);
  EXPECT_TRUE(popped.broken);
  EXPECT_EQ(popped.object, &a);
  EXPECT_FALSE(has_objects(popped.stray));
  EXPECT_EQ(slot.load(), empty_word(kContractLimit));
}

TEST_P(Fallback, HeadIsNotPushedTwice) {
  FallbackWord word;
  check_push_of_the_head(word);
}

struct alignas(64) Object {
  std::atomic<uint64_t> link;
  std::atomic<uint32_t> taken;
};

// Threads, and signal handlers in the middle of them, share one word.
class SharedWord {
public:
  static constexpr uint32_t kThreads = 4, kObjects = 32, kRounds = 40000;

  SharedWord() : objects_(kObjects) {
    for (Object& object : objects_) word_.store(chain_push(&object, word_.load()));
  }

  void run(bool signals) {
    running = this;
    struct sigaction action = {}, saved;
    action.sa_handler = [](int) { running->step(); };
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, &saved);
    std::vector<std::thread> threads;
    for (uint32_t id = 0; id < kThreads; ++id) {
      threads.emplace_back([this] {
        for (uint32_t round = 0; round < kRounds; ++round) step();
        ++finished_;
        while (!quiet_.load()) std::this_thread::yield();
      });
    }
    for (uint32_t turn = 0; finished_.load() < kThreads; ++turn) {
      if (signals) {
        pthread_kill(threads[turn % kThreads].native_handle(), SIGUSR1);
      } else {
        std::this_thread::yield();
      }
    }
    quiet_ = true;
    for (std::thread& thread : threads) thread.join();
    sigaction(SIGUSR1, &saved, nullptr);
  }

  uint32_t wrong() const { return wrong_.load(); }
  // Every object is in the word's chain once.
  void check_census() {
    std::vector<uint32_t> seen(kObjects, 0);
    ChainWord chain = word_.load();
    while (has_objects(chain)) {
      auto* object = static_cast<Object*>(first_object(chain));
      ASSERT_EQ(++seen[static_cast<size_t>(object - objects_.data())], 1u);
      const ChainWord rest = load_link(object);
      ASSERT_TRUE(follows(rest, chain));
      chain = rest;
    }
    for (uint32_t i = 0; i < kObjects; ++i) EXPECT_EQ(seen[i], 1u) << "object " << i;
  }

private:
  static constexpr uint16_t kLimit = 4 * kObjects;

  void step() {
    const FallbackPop popped = fallback_pop(word_, kLimit);
    if (popped.broken) wrong_.fetch_add(1);
    if (popped.object == nullptr || popped.broken) return;
    auto* object = static_cast<Object*>(popped.object);
    if (object->taken.exchange(1) != 0) wrong_.fetch_add(1);
    object->taken.store(0);
    object->link.store(0x4141414141414141, std::memory_order_relaxed);
    put(object);
    ChainWord stray = popped.stray;
    while (has_objects(stray)) {
      void* const next = first_object(stray);
      stray = load_link(next);
      put(next);
    }
  }
  void put(void* object) {
    if (!fallback_push(word_, object)) wrong_.fetch_add(1);
  }

  static inline SharedWord* running = nullptr;

  std::vector<Object> objects_;
  std::atomic<ChainWord> word_{empty_word(kLimit)};
  std::atomic<uint32_t> finished_{0};
  std::atomic<bool> quiet_{false};
  std::atomic<uint32_t> wrong_{0};
};

TEST_P(Fallback, ThreadsLoseAndDoubleNothing) {
  SharedWord shared;
  shared.run(false);
  EXPECT_EQ(shared.wrong(), 0u);
  shared.check_census();
}

TEST_P(Fallback, SignalStormLosesAndDoublesNothing) {
  SharedWord shared;
  shared.run(true);
  EXPECT_EQ(shared.wrong(), 0u);
  shared.check_census();
}

INSTANTIATE_TEST_SUITE_P(Plain, Fallback, testing::Values(0));
INSTANTIATE_TEST_SUITE_P(Encoded, Fallback, testing::Values(0x9e3779b97f4a7c15));

}  // namespace
}  // namespace tenure
