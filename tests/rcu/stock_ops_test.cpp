// Stock words by restartable sequences and by the fallback: the contract, and nothing lost or doubled under signals, migrations and
// drainers on other CPUs.
#include <thread>

#include <gtest/gtest.h>

#include "rcu/cpu_fence.h"
#include "rcu/rseq_fallback.h"
#include "rcu/rseq_ops.h"
#include "tests/rcu/interrupted_workers.h"
#include "tests/rcu/per_cpu_region.h"
#include "tests/rcu/sequences.h"
#include "tests/rcu/stock_contract.h"

namespace tenure {
namespace {

constexpr uint32_t kSlot = kFrontAreaSize + 12;  // Not aligned to more than the word.

std::atomic<uint32_t>& stock_of(const PerCpuRegion& region, uint32_t cpu, uint32_t offset = kSlot) {
  return *reinterpret_cast<std::atomic<uint32_t>*>(region.base() + size_t{cpu} * kCpuAreaSize +
                                                   offset);
}

class RseqStock {
public:
  void set(StockWord word) { stock_of(region_, pin_.cpu()).store(word.word); }
  StockWord get() const { return {stock_of(region_, pin_.cpu()).load()}; }
  bool take(uint32_t units) {
    const auto half = static_cast<uint16_t>(units);
    return rseq_take(region_.base() + kSlot, rseq_, half);
  }
  bool give(uint32_t units) { return rseq_give(region_.base() + kSlot, rseq_, units); }
  StockWord compare_exchange(StockWord expected, StockWord desired) {
    return {rseq_compare_exchange_half(region_.base() + kSlot, rseq_, expected.word, desired.word)};
  }
  const PerCpuRegion& region() const { return region_; }

private:
  PinHere pin_;
  PerCpuRegion region_;
  const ptrdiff_t rseq_ = sequences().offset;
};

class FallbackStock {
public:
  void set(StockWord word) { word_.store(word.word); }
  StockWord get() const { return {word_.load()}; }
  bool take(uint32_t units) { return fallback_take(word_, units); }
  bool give(uint32_t units) { return fallback_give(word_, units); }
  StockWord compare_exchange(StockWord expected, StockWord desired) {
    word_.compare_exchange_strong(expected.word, desired.word);
    return expected;
  }

private:
  std::atomic<uint32_t> word_{0};
};

TEST(StockOps, FallbackKeepsTheContract) {
  FallbackStock stock;
  check_stock_contract(stock);
}

TEST(StockOps, RseqKeepsTheContractAndTouchesNoOtherWord) {
  if (!sequences().usable) GTEST_SKIP() << "no restartable sequences";
  RseqStock stock;
  check_stock_contract(stock);
  stock.set({});
  for (uint32_t cpu = 0; cpu < stock.region().cpus(); ++cpu) {
    for (uint32_t offset = kFrontAreaSize; offset < kFrontAreaSize + kPageSize; offset += 4)
      ASSERT_EQ(stock_of(stock.region(), cpu, offset).load(), 0u) << cpu << " " << offset;
  }
}

TEST(StockOps, RseqUsesTheCurrentCpusWord) {
  if (!sequences().usable) GTEST_SKIP() << "no restartable sequences";
  const PinHere back;
  const PerCpuRegion region;
  const ptrdiff_t rseq = sequences().offset;
  for (uint32_t cpu = 0; cpu < region.cpus(); ++cpu) {
    const StockWord before = StockWord::of(10 + cpu, 100);
    stock_of(region, cpu).store(before.word);
    if (!pin_to(cpu)) continue;
    EXPECT_TRUE(rseq_give(region.base() + kSlot, rseq, 4));
    EXPECT_EQ(stock_of(region, cpu).load(), before.given(4).word);
  }
}

// A thread without registration, whose CPU reads as -1 or -2: the words before the first area are closed.
TEST(StockOps, UnregisteredThreadsAreRefused) {
  const ptrdiff_t rseq = sequences().offset;
  if (rseq_cpu(rseq) >= 0) GTEST_SKIP() << "the thread is registered";
  const PerCpuRegion region;
  const uint16_t units = 2;
  EXPECT_FALSE(rseq_take(region.base() + kSlot, rseq, units));
  EXPECT_FALSE(rseq_give(region.base() + kSlot, rseq, units));
  EXPECT_EQ(rseq_compare_exchange_half(region.base() + kSlot, rseq, 42, 43), 0u);
}

// Workers take units and give them back, in signal handlers, too. Units that a word refuses wait beside it. Drainers stop the words of all
// CPUs and empty them as allocator/fronts/stock_drain.h does. The sum of all units is the same at the end.
class StockStorm {
public:
  static constexpr uint32_t kRounds = 400000, kCapacity = 64, kUnitsInAll = 96;

  explicit StockStorm(bool by_rseq) : by_rseq_(by_rseq), beside_(kUnitsInAll) {
    for (uint32_t cpu = 0; cpu < region_.cpus(); ++cpu) stock_of(region_, cpu) = kEmpty.word;
  }

  void run() {
    std::thread first([this] { drain_until_done(0); });
    std::thread second([this] { drain_until_done(1); });
    workers_.run(kRounds, [this](uint32_t round) {
      step(round == InterruptedWorkers::kInHandler ? 4 : 2 + round % 3);
    });
    first.join();
    second.join();
  }

  int64_t units_in_all() const {
    int64_t sum = beside_.load();
    for (uint32_t cpu = 0; cpu < region_.cpus(); ++cpu) {
      const StockWord word{stock_of(region_, cpu).load()};
      EXPECT_FALSE(word.held());
      EXPECT_LE(word.have(), kCapacity);
      sum += word.have();
    }
    return sum;
  }
  uint64_t taken() const { return taken_.load(); }
  uint64_t drained() const { return drained_.load(); }
  bool fence_failed() const { return fence_failed_.load(); }

private:
  static constexpr StockWord kEmpty = StockWord::of(0, kCapacity);

  std::atomic<uint32_t>& shared() const { return stock_of(region_, 0); }
  bool take(uint32_t units) const {
    const auto half = static_cast<uint16_t>(units);
    return by_rseq_ ? rseq_take(region_.base() + kSlot, rseq_, half)
                    : fallback_take(shared(), units);
  }
  bool give(uint32_t units) const {
    return by_rseq_ ? rseq_give(region_.base() + kSlot, rseq_, units)
                    : fallback_give(shared(), units);
  }
  void open() const {
    if (by_rseq_) {
      rseq_compare_exchange_half(region_.base() + kSlot, rseq_, 0, kEmpty.word);
    } else {
      uint32_t closed = 0;
      shared().compare_exchange_strong(closed, kEmpty.word);
    }
  }

  void step(uint32_t units) {
    if (take(units)) {
      taken_.fetch_add(1, std::memory_order_relaxed);
    } else if (beside_.fetch_sub(units) < static_cast<int64_t>(units)) {
      beside_.fetch_add(units);
      return open();
    }
    if (!give(units)) {
      beside_.fetch_add(units);
      open();
    }
  }

  void drain_until_done(uint32_t number) {
    while (!workers_.finished() && !fence_failed_.load()) {
      for (uint32_t cpu = 0; cpu < region_.cpus(); ++cpu) drain(cpu, number);
    }
  }

  void drain(uint32_t cpu, uint32_t number) {
    std::atomic<uint32_t>& word = stock_of(region_, cpu);
    const uint32_t mine = StockWord::stopped(number).word;
    for (;;) {
      uint32_t seen = word.load();
      if (!StockWord{seen}.open()) return;
      if (!word.compare_exchange_strong(seen, mine)) continue;
      if (by_rseq_ && !cpu_fence()) {
        fence_failed_ = true;
        return;
      }
      uint32_t held = mine;
      if (!word.compare_exchange_strong(held, 0)) continue;  // A section has committed over it.
      beside_.fetch_add(StockWord{seen}.have());
      drained_.fetch_add(StockWord{seen}.have(), std::memory_order_relaxed);
      return;
    }
  }

  const bool by_rseq_;
  const RseqAbi abi_ = sequences();
  const ptrdiff_t rseq_ = abi_.offset;
  const PerCpuRegion region_;
  std::atomic<int64_t> beside_;  // Units in no word.
  InterruptedWorkers workers_{abi_, region_.cpus()};
  std::atomic<bool> fence_failed_{false};
  std::atomic<uint64_t> taken_{0}, drained_{0};
};

// On a busy machine the workers may be done before the drainer has run: then the storm begins anew.
void check_storm(bool by_rseq) {
  constexpr int kStorms = 50;
  for (int i = 0; i < kStorms; ++i) {
    StockStorm storm(by_rseq);
    storm.run();
    ASSERT_FALSE(storm.fence_failed());
    ASSERT_EQ(storm.units_in_all(), StockStorm::kUnitsInAll);
    if (storm.taken() > 0 && storm.drained() > 0) return;
  }
  FAIL() << "no storm has drained anything";
}

TEST(StockStorm, RseqLosesAndDoublesNothing) {
  if (!sequences().usable) GTEST_SKIP() << "no restartable sequences";
  if (!cpu_fence_register()) GTEST_SKIP() << "no fence";
  check_storm(true);
}

TEST(StockStorm, FallbackLosesAndDoublesNothing) { check_storm(false); }

}  // namespace
}  // namespace tenure
