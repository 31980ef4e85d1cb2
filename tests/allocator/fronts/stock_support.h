// What tests of stocks share: words that are open on many CPUs.
#pragma once

#include <algorithm>
#include <memory>

#include "accounting/charge/charge.h"
#include "allocator/fronts/stock_drain.h"
#include "base/system/topology.h"
#include "tests/allocator/heap/pool_support.h"

namespace tenure {

class StockTest : public PoolTest {
protected:
  void TearDown() override {
    move_anywhere();
    PoolTest::TearDown();
  }

  static void move_anywhere() {
    cpu_set_t all;
    CPU_ZERO(&all);
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) CPU_SET(cpu, &all);
    sched_setaffinity(0, sizeof all, &all);
  }
  static uint32_t areas() { return arena.cpus + arena.shared_areas; }
  static AccountingContext& context_of_tenant(Tenant& tenant) {
    return *tenant.context.load(std::memory_order_acquire);
  }
  static StockWord word_in(uint32_t area, OwnerTag tag) { return {stock_in(area, tag).load()}; }
  static size_t open_words(OwnerTag tag) {
    size_t count = 0;
    for (uint32_t area = 0; area < areas(); ++area) count += word_in(area, tag).open();
    return count;
  }
  static bool all_closed(OwnerTag tag) {
    for (uint32_t area = 0; area < areas(); ++area) {
      if (!word_in(area, tag).closed()) return false;
    }
    return true;
  }
  static size_t largest_stock(OwnerTag tag) {
    size_t most = 0;
    for (uint32_t area = 0; area < areas(); ++area) {
      const StockWord word = word_in(area, tag);
      most = std::max({most, word.bytes(), word.open() ? word.capacity() * StockWord::kUnit : 0});
    }
    return most;
  }
  // One object allocated and freed on each CPU: a stock is open there.
  static void open_everywhere(Tenant& tenant, size_t size) {
    for (uint32_t cpu = 0; cpu < arena.cpus; ++cpu) {
      move_to_cpu(cpu);
      void* const object = take(tenant, size);
      ASSERT_NE(object, nullptr);
      deallocate(object);
    }
  }

  // A stock on another CPU than this thread's, of which sections have hold: `bytes`, charged. False: there is no such word.
  static bool stock_elsewhere(AccountingContext& context, size_t bytes, uint32_t* area) {
    if (!arena.rseq || arena.cpus < 2) return false;
    move_to_cpu(0);
    *area = own_area() == 0 ? 1 : 0;
    if (!charge_more(context, bytes, RequestKind::kSmall)) return false;
    stock_in(*area, tag_of(context)) =
        StockWord::of(StockWord::units(bytes), StockWord::units(kUsualStock)).word;
    return true;
  }
};

}  // namespace tenure
