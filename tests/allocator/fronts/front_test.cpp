#include "allocator/fronts/front.h"

#include "tests/allocator/heap_support.h"
#include "tests/rcu/per_cpu_region.h"

namespace tenure {
namespace {

// Words of a cache of the test's own on the CPU the test is pinned to.
class FrontTest : public HeapTest {
protected:
  FrontTest() {
    EXPECT_TRUE(bootstrap());
    cache_ = &fresh_cache(10240);
    chain_ = create_slab(*cache_);
    for (ChainWord rest = chain_; has_objects(rest); rest = load_link(first_object(rest))) {
      objects_.push_back(first_object(rest));
    }
    while (objects_.size() < cache_->capacity) {
      chain_ = take_from_partial(*cache_);
      for (ChainWord rest = chain_; has_objects(rest); rest = load_link(first_object(rest))) {
        objects_.push_back(first_object(rest));
      }
    }
  }
  void TearDown() override {
    give_to_slabs(*cache_, chain_of(objects_.size()));
    HeapTest::TearDown();
  }
  ChainWord chain_of(size_t count) const {
    ChainWord chain = empty_word(cache_->limit);
    for (size_t i = 0; i < count; ++i) chain = chain_push(objects_[i], chain);
    return chain;
  }
  static void* pop(const Front& front, Front::Word word) {
    ChainWord stray;
    void* const object = front.pop(word, &stray);
    EXPECT_FALSE(has_objects(stray));
    return object;
  }
  ChainWord open() const { return empty_word(cache_->limit); }

  PinHere pin_;
  Cache* cache_;
  ChainWord chain_;
  std::vector<void*> objects_;
};

TEST_F(FrontTest, ClosedUntilOpened) {
  const Front front(*cache_);
  for (const auto word : {Front::kAllocWord, Front::kFreeWord}) {
    EXPECT_EQ(front.load(word), kClosedWord);
    EXPECT_EQ(pop(front, word), nullptr);
  }
  EXPECT_FALSE(front.push(objects_[0]));
  EXPECT_FALSE(has_objects(front.take_list(Front::kFreeWord)));
}

TEST_F(FrontTest, AListClosedAtItsEndIsNotSwapped) {
  if (!arena.rseq) GTEST_SKIP() << "only the sections swap lists";
  const Front front(*cache_);
  const uint32_t half = cache_->limit / 2u;
  ASSERT_GE(objects_.size(), half + 3);
  const auto pop_pair = [this] {
    return rseq_pop_pair(hot.cpu_base, hot.rseq, cache_->slot_in_place(), 0);
  };
  ChainWord rest;
  const ChainWord closed = close_at_end(chain_of(3), 2, &rest);
  EXPECT_EQ(chain_length(rest, cache_->limit), 1u);
  EXPECT_TRUE(may_be_closed_at_end(closed));
  ASSERT_TRUE(front.install(closed));
  // A free list that is long enough to be swapped in.
  ASSERT_TRUE(front.compare_exchange(Front::kFreeWord, kClosedWord, open()));
  for (uint32_t i = 0; i < half; ++i) ASSERT_TRUE(front.push(objects_[3 + i]));
  EXPECT_EQ(pop_pair(), objects_[2]);
  EXPECT_EQ(pop_pair(), objects_[1]);
  EXPECT_EQ(front.load(Front::kAllocWord), kClosedWord);
  EXPECT_EQ(pop_pair(), nullptr) << "the lists were swapped";
  ASSERT_TRUE(front.compare_exchange(Front::kAllocWord, kClosedWord, open()));
  EXPECT_EQ(pop_pair(), objects_[2 + half]) << "it was not for the end of the list";
  front.take_list(Front::kAllocWord);
  front.take_list(Front::kFreeWord);
}

TEST_F(FrontTest, AListClosedAtItsEndIsOpenedAgain) {
  for (const uint32_t length : {1u, 2u, 3u}) {
    ChainWord rest;
    const ChainWord closed = close_at_end(chain_of(3), length, &rest);
    ChainWord chain = open_at_end(closed, cache_->limit);
    EXPECT_EQ(chain_length(chain, cache_->limit), length);
    for (uint32_t i = 0; i < length; ++i) {
      EXPECT_EQ(first_object(chain), objects_[2 - i]);
      const ChainWord next = load_link(first_object(chain));
      EXPECT_TRUE(is_rest(next, chain));
      chain = next;
    }
    EXPECT_EQ(chain, open());
  }
}

TEST_F(FrontTest, AListOpenAtItsEndStaysAsItIs) {
  EXPECT_EQ(open_at_end(chain_of(3), cache_->limit), chain_of(3));
  // Longer than the class's limit: this looks as one that is closed at its end.
  const uint16_t limit = 1;
  ChainWord chain = empty_word(limit);
  for (int i = 0; i < 3; ++i) chain = chain_push(objects_[static_cast<size_t>(i)], chain);
  ASSERT_TRUE(may_be_closed_at_end(chain));
  EXPECT_EQ(open_at_end(chain, limit), chain);
  EXPECT_EQ(load_link(objects_[0]), empty_word(limit));
}

TEST_F(FrontTest, PushesUpToTheLimitAndPopsInReverse) {
  const Front front(*cache_);
  ASSERT_TRUE(front.compare_exchange(Front::kFreeWord, kClosedWord, open()));
  ASSERT_EQ(objects_.size(), cache_->limit);
  for (void* object : objects_) ASSERT_TRUE(front.push(object));
  EXPECT_FALSE(front.push(objects_[0]));
  for (size_t i = objects_.size(); i-- > 0;) ASSERT_EQ(pop(front, Front::kFreeWord), objects_[i]);
  EXPECT_EQ(pop(front, Front::kFreeWord), nullptr);
}

TEST_F(FrontTest, HeadIsNotPushedTwice) {
  const Front front(*cache_);
  ASSERT_TRUE(front.compare_exchange(Front::kFreeWord, kClosedWord, open()));
  ASSERT_TRUE(front.push(objects_[0]));
  EXPECT_FALSE(front.push(objects_[0]));
  EXPECT_EQ(chain_length(front.load(Front::kFreeWord), cache_->limit), 1);
}

TEST_F(FrontTest, TakesTheFreeListWholeAndLeavesItOpen) {
  const Front front(*cache_);
  ASSERT_TRUE(front.compare_exchange(Front::kFreeWord, kClosedWord, open()));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(front.push(objects_[static_cast<size_t>(i)]));
  const ChainWord chain = front.take_list(Front::kFreeWord);
  EXPECT_EQ(chain_length(chain, cache_->limit), 3);
  EXPECT_EQ(first_object(chain), objects_[2]);
  EXPECT_EQ(front.load(Front::kFreeWord), open());
  EXPECT_TRUE(front.push(objects_[4]));
  EXPECT_EQ(pop(front, Front::kFreeWord), objects_[4]);
}

TEST_F(FrontTest, InstallsOnlyWhereThereIsNoList) {
  const Front front(*cache_);
  EXPECT_TRUE(front.install(chain_of(3)));
  EXPECT_FALSE(front.install(chain_push(objects_[5], open())));
  for (size_t i = 3; i-- > 0;) EXPECT_EQ(pop(front, Front::kAllocWord), objects_[i]);
  EXPECT_TRUE(front.install(chain_of(1)));
  EXPECT_EQ(pop(front, Front::kAllocWord), objects_[0]);
}

TEST_F(FrontTest, InstallingNoObjectsOpensTheSlot) {
  const Front front(*cache_);
  EXPECT_TRUE(front.install(open()));
  EXPECT_EQ(front.load(Front::kAllocWord), open());
  EXPECT_TRUE(front.install(chain_of(1)));
}

TEST_F(FrontTest, LeavesStoppedWordsAlone) {
  const Front front(*cache_);
  ASSERT_TRUE(front.compare_exchange(Front::kAllocWord, kClosedWord, kStoppedWord));
  ASSERT_TRUE(front.compare_exchange(Front::kFreeWord, kClosedWord, kStoppedWord));
  EXPECT_EQ(pop(front, Front::kAllocWord), nullptr);
  EXPECT_FALSE(front.push(objects_[0]));
  EXPECT_FALSE(front.install(chain_of(2)));
  EXPECT_FALSE(has_objects(front.take_list(Front::kFreeWord)));
  EXPECT_EQ(front.load(Front::kAllocWord), kStoppedWord);
  EXPECT_EQ(front.load(Front::kFreeWord), kStoppedWord);
}

TEST_F(FrontTest, ExchangeComparesTheWholeWord) {
  const Front front(*cache_);
  ASSERT_TRUE(front.install(chain_of(2)));
  const ChainWord word = front.load(Front::kAllocWord);
  EXPECT_FALSE(front.compare_exchange(Front::kAllocWord, word ^ 1, kClosedWord));
  EXPECT_FALSE(front.compare_exchange(Front::kAllocWord, kClosedWord, open()));
  EXPECT_TRUE(front.compare_exchange(Front::kAllocWord, word, kClosedWord));
}

TEST_F(FrontTest, EveryCpuHasItsOwnWords) {
  if (!arena.rseq) GTEST_SKIP() << "without restartable sequences the areas are shared";
  const Front front(*cache_);
  ASSERT_TRUE(front.install(chain_of(2)));
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    const ChainWord word = word_in_area(area, cache_->front_slot).load();
    EXPECT_EQ(has_objects(word), area == pin_.cpu());
  }
}

TEST_F(FrontTest, ThreadsWithoutSequencesShareAreasInTurn) {
  std::vector<uint32_t> areas(2 * arena.shared_areas);
  for (uint32_t& area : areas) {
    std::thread([&] {
      area = shared_area();
      EXPECT_EQ(shared_area(), area);
    }).join();
  }
  std::vector<uint32_t> threads(arena.shared_areas, 0);
  for (const uint32_t area : areas) {
    ASSERT_LT(area, arena.shared_areas);
    ++threads[area];
  }
  for (const uint32_t count : threads) EXPECT_EQ(count, 2u);
}

using FrontDeathTest = FrontTest;

TEST_F(FrontDeathTest, CorruptedChainsAreReported) {
  const Front front(*cache_);
  ASSERT_TRUE(front.install(chain_of(3)));
  ChainWord stray;
  EXPECT_EXIT(
      {
        static_cast<uint64_t*>(objects_[2])[0] ^= 1;
        front.pop(Front::kAllocWord, &stray);
      },
      testing::KilledBySignal(SIGABRT),
      "tenure: corrupted chain: pointer 0x.*, tenant /, class 10240\n");
  // What leads out of the arena: not looked for in the restartable sequence, where the next pop faults.
  for (const uint64_t bits : {uint64_t{1} << 60, uint64_t{1} << 17}) {
    if (arena.rseq) break;
    EXPECT_EXIT(
        {
          static_cast<uint64_t*>(objects_[2])[0] ^= bits;
          front.pop(Front::kAllocWord, &stray);
        },
        testing::KilledBySignal(SIGABRT),
        "tenure: corrupted chain: pointer 0x.*, tenant /, class 10240\n");
  }
  EXPECT_EXIT(
      {
        front.compare_exchange(Front::kFreeWord, kClosedWord, open());
        front.push(objects_[5]);
        front.push(objects_[4]);
        front.push(objects_[5]);
        for (int i = 0; i < 3; ++i) front.pop(Front::kFreeWord, &stray);
      },
      testing::KilledBySignal(SIGABRT),
      "tenure: corrupted chain: pointer 0x.*, tenant /, class 10240\n");
}

}  // namespace
}  // namespace tenure
