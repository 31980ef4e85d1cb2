// The contract of rcu/rseq_ops.h for stock words as a table, for every implementation of it.
#pragma once

#include <gtest/gtest.h>

#include "base/words/stock_word.h"

namespace tenure {

struct StockCase {
  const char* name;
  StockWord initial;
  uint32_t units;
  bool takes;
  bool gives;
};

inline constexpr uint32_t kMostHave = StockWord::kMostCapacity;
inline constexpr StockCase kStockCases[] = {
    {"closed", {}, 2, false, false},
    {"closed, many units", {}, StockWord::kMostUnits, false, false},
    {"stopped by the first", StockWord::stopped(0), 2, false, false},
    {"stopped by the second", StockWord::stopped(1), 2, false, false},
    {"stopped by the third", StockWord::stopped(2), 2, false, false},
    {"empty", StockWord::of(0, 100), 2, false, true},
    {"one less than asked for", StockWord::of(9, 100), 10, false, true},
    {"as much as asked for", StockWord::of(10, 100), 10, true, true},
    {"room for it", StockWord::of(90, 100), 10, true, true},
    {"room for one less", StockWord::of(91, 100), 10, true, false},
    {"full", StockWord::of(100, 100), 2, true, false},
    {"more than the capacity", StockWord::of(120, 100), 2, true, false},
    {"no capacity", StockWord::of(120, 0), 2, true, false},
    {"largest, empty", StockWord::of(0, kMostHave), StockWord::kMostUnits, false, true},
    {"largest, full", StockWord::of(kMostHave, kMostHave), StockWord::kMostUnits, true, false},
    {"largest, room for two", StockWord::of(kMostHave - 2, kMostHave), 2, true, true},
};

// Ops must have, for one word of its own: set(word), get(), take(units), give(units), and compare_exchange(expected, desired),
// which returns the word that was there.
template <typename Ops>
void check_stock_contract(Ops& ops) {
  for (const StockCase& c : kStockCases) {
    SCOPED_TRACE(c.name);
    ops.set(c.initial);
    EXPECT_EQ(ops.take(c.units), c.takes);
    EXPECT_EQ(ops.get(), c.takes ? c.initial.taken(c.units) : c.initial);

    ops.set(c.initial);
    EXPECT_EQ(ops.give(c.units), c.gives);
    EXPECT_EQ(ops.get(), c.gives ? c.initial.given(c.units) : c.initial);

    constexpr StockWord kOther = StockWord::of(42, 43);
    for (const uint32_t bit : {0u, 15u, 16u, 31u}) {
      const StockWord wrong{c.initial.word ^ 1u << bit};
      ops.set(c.initial);
      EXPECT_EQ(ops.compare_exchange(wrong, kOther), c.initial);
      EXPECT_EQ(ops.get(), c.initial);
    }
    EXPECT_EQ(ops.compare_exchange(c.initial, kOther), c.initial);
    EXPECT_EQ(ops.get(), kOther);
  }
}

}  // namespace tenure
