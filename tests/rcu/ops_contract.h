// The contract of rcu/rseq_ops.h as a table, for every implementation of it.
#pragma once

#include <gtest/gtest.h>

#include "base/words/chain_word.h"

namespace tenure {

struct alignas(16) ContractObject {
  uint64_t words[2];
};

constexpr uint16_t kContractLimit = 3;

struct ContractCase {
  const char* name;
  ChainWord initial;  // If `objects` is 0.
  int objects;        // In the chain otherwise.
  bool pops;
  bool takes_push;
};

inline constexpr ContractCase kContract[] = {
    {"closed", kClosedWord, 0, false, false},
    {"empty", empty_word(kContractLimit), 0, false, true},
    {"stopped", kStoppedWord, 0, false, false},
    {"one object", 0, 1, true, true},
    {"room for one", 0, kContractLimit - 1, true, true},
    {"full", 0, kContractLimit, true, false},
    {"longer than the limit", 0, kContractLimit + 1, true, false},
    {"much longer", 0, 200, true, false},
};

// Ops must have, for one word of its own: set(word), get(), pop(), push(object) and
// compare_exchange(expected, desired), which returns the word that was there.
template <typename Ops>
void check_contract(Ops& ops) {
  static ContractObject objects[200], extra;
  for (const ContractCase& c : kContract) {
    SCOPED_TRACE(c.name);
    ChainWord initial = c.initial;
    if (c.objects > 0) {
      initial = empty_word(kContractLimit);
      for (int i = 0; i < c.objects; ++i) initial = chain_push(&objects[i], initial);
    }

    ops.set(initial);
    const ChainWord rest = c.pops ? load_link(first_object(initial)) : initial;
    EXPECT_EQ(ops.pop(), c.pops ? first_object(initial) : nullptr);
    EXPECT_EQ(ops.get(), rest);

    ops.set(initial);
    extra.words[0] = 0x5555;
    ASSERT_EQ(ops.push(&extra), c.takes_push);
    if (c.takes_push) {
      EXPECT_EQ(first_object(ops.get()), &extra);
      EXPECT_EQ(room_bits(ops.get()), room_bits(initial) - 1);
      EXPECT_EQ(load_link(&extra), initial);
      EXPECT_EQ(ops.pop(), &extra);
      EXPECT_EQ(ops.get(), initial);
    } else {
      EXPECT_EQ(ops.get(), initial);
      EXPECT_EQ(extra.words[0], 0x5555u) << "an object that was not taken was written to";
    }

    ops.set(initial);
    EXPECT_EQ(ops.compare_exchange(initial ^ 1, 42), initial);
    EXPECT_EQ(ops.compare_exchange(initial ^ 1ULL << 63, 42), initial);
    EXPECT_EQ(ops.get(), initial);
    EXPECT_EQ(ops.compare_exchange(initial, kStoppedWord), initial);
    EXPECT_EQ(ops.get(), kStoppedWord);
  }
}

// All of a chain comes out last in first out, and the word ends as the empty list of its limit.
template <typename Ops>
void check_fill_and_empty(Ops& ops) {
  static ContractObject objects[kContractLimit + 1];
  ops.set(empty_word(kContractLimit));
  for (int i = 0; i < kContractLimit; ++i) ASSERT_TRUE(ops.push(&objects[i]));
  ASSERT_FALSE(ops.push(&objects[kContractLimit]));
  for (int i = kContractLimit; i-- > 0;) ASSERT_EQ(ops.pop(), &objects[i]);
  EXPECT_EQ(ops.pop(), nullptr);
  EXPECT_EQ(ops.get(), empty_word(kContractLimit));
}

// An object that was overwritten, or is in the chain twice, is not handed out.
template <typename Ops>
void check_broken_chains(Ops& ops) {
  static ContractObject a, b;
  for (const uint64_t garbage : {uint64_t{0}, ~uint64_t{0}, uint64_t{0x4141414141414141}}) {
    const ChainWord chain = chain_push(&b, chain_push(&a, empty_word(kContractLimit)));
    b.words[0] = garbage;
    ops.set(chain);
    EXPECT_EQ(ops.pop(), nullptr) << garbage;
  }
  ops.set(empty_word(kContractLimit));
  ASSERT_TRUE(ops.push(&a));
  ASSERT_TRUE(ops.push(&b));
  ASSERT_TRUE(ops.push(&a));
  EXPECT_EQ(ops.pop(), &a);
  EXPECT_EQ(ops.pop(), &b);
  EXPECT_EQ(ops.pop(), nullptr);
}

struct PairCase {
  const char* name;
  ChainWord alloc;  // If `in_alloc` is 0.
  int in_alloc;     // Objects
  ChainWord free;   // If `in_free` is 0.
  int in_free;
  bool swaps;
};

constexpr uint16_t kPairLimit = 5;

inline constexpr PairCase kPairs[] = {
    {"half a list", empty_word(kPairLimit), 0, 0, kPairLimit / 2, true},
    {"a full list", empty_word(kPairLimit), 0, 0, kPairLimit, true},
    {"longer than the limit", empty_word(kPairLimit), 0, 0, 2 * kPairLimit, true},
    {"less than half a list", empty_word(kPairLimit), 0, 0, kPairLimit / 2 - 1, false},
    {"no list", empty_word(kPairLimit), 0, empty_word(kPairLimit), 0, false},
    {"free list closed", empty_word(kPairLimit), 0, kClosedWord, 0, false},
    {"free list stopped", empty_word(kPairLimit), 0, kStoppedWord, 0, false},
    {"alloc list closed", kClosedWord, 0, 0, kPairLimit, false},
    {"alloc list stopped", kStoppedWord, 0, 0, kPairLimit, false},
    {"both stopped", kStoppedWord, 0, kStoppedWord, 0, false},
    {"both closed", kClosedWord, 0, kClosedWord, 0, false},
    {"one object left", 0, 1, 0, kPairLimit, false},
    {"alloc list full", 0, kPairLimit, 0, kPairLimit, false},
};

// Ops must have, for a slot's two words: set(alloc, free), alloc(), free(), pop() and kSwaps, without which every swap is left to
// the slow path.
template <typename Ops>
void check_pair_contract(Ops& ops) {
  static ContractObject in_alloc[kPairLimit], in_free[2 * kPairLimit];
  for (const PairCase& c : kPairs) {
    SCOPED_TRACE(c.name);
    ChainWord alloc = c.in_alloc > 0 ? empty_word(kPairLimit) : c.alloc;
    ChainWord free = c.in_free > 0 ? empty_word(kPairLimit) : c.free;
    for (int i = 0; i < c.in_alloc; ++i) alloc = chain_push(&in_alloc[i], alloc);
    for (int i = 0; i < c.in_free; ++i) free = chain_push(&in_free[i], free);

    ops.set(alloc, free);
    void* const object = ops.pop();
    if (c.in_alloc > 0) {
      EXPECT_EQ(object, first_object(alloc));
      EXPECT_EQ(ops.alloc(), load_link(first_object(alloc)));
      EXPECT_EQ(ops.free(), free);
    } else if (c.swaps && Ops::kSwaps) {
      EXPECT_EQ(object, first_object(free));
      EXPECT_EQ(ops.alloc(), load_link(first_object(free)));
      EXPECT_EQ(ops.free(), empty_word(kPairLimit));
    } else {
      EXPECT_EQ(object, nullptr);
      EXPECT_EQ(ops.alloc(), alloc);
      EXPECT_EQ(ops.free(), free);
    }
  }
}

// A free list that is broken stays where it is.
template <typename Ops>
void check_broken_pairs(Ops& ops) {
  static ContractObject objects[kPairLimit];
  for (const uint64_t garbage : {uint64_t{0}, ~uint64_t{0}, uint64_t{0x4141414141414141}}) {
    ChainWord free = empty_word(kPairLimit);
    for (ContractObject& object : objects) free = chain_push(&object, free);
    objects[kPairLimit - 1].words[0] = garbage;
    ops.set(empty_word(kPairLimit), free);
    EXPECT_EQ(ops.pop(), nullptr) << garbage;
    EXPECT_EQ(ops.alloc(), empty_word(kPairLimit));
    EXPECT_EQ(ops.free(), free);
  }
}

// Pops and pushes in turn go on without a slow path, whichever list the objects are in.
template <typename Ops>
void check_endless_pairs(Ops& ops) {
  static ContractObject objects[kPairLimit];
  ChainWord alloc = empty_word(kPairLimit);
  for (ContractObject& object : objects) alloc = chain_push(&object, alloc);
  ops.set(alloc, empty_word(kPairLimit));
  for (int i = 0; i < 20 * kPairLimit; ++i) {
    void* const object = ops.pop();
    ASSERT_NE(object, nullptr) << i;
    ASSERT_TRUE(ops.push(object)) << i;
  }
}

// What is at the head already is not taken a second time.
template <typename Ops>
void check_push_of_the_head(Ops& ops) {
  static ContractObject a;
  ops.set(empty_word(kContractLimit));
  ASSERT_TRUE(ops.push(&a));
  const ChainWord word = ops.get();
  EXPECT_FALSE(ops.push(&a));
  EXPECT_EQ(ops.get(), word);
  EXPECT_EQ(ops.pop(), &a);
  EXPECT_EQ(ops.get(), empty_word(kContractLimit));
}

}  // namespace tenure
