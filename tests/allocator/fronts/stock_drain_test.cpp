#include "allocator/fronts/stock_drain.h"

#include "accounting/charge/charge.h"
#include "tests/allocator/fronts/stock_support.h"

namespace tenure {
namespace {

class StockDrainTest : public StockTest {
protected:
  // A tenant whose context something keeps: 64 bytes, charged.
  void SetUp() override {
    StockTest::SetUp();
    tenant_ = &make(root_tenant, "a");
    object_ = take(*tenant_, 64);
    empty_stocks(*tenant_);
  }
  void TearDown() override {
    if (object_) deallocate(object_);
    StockTest::TearDown();
  }
  AccountingContext& context() const { return context_of(tag_); }
  bool put_elsewhere(size_t bytes) {
    tag_ = tag_of(context_of_tenant(*tenant_));
    return stock_elsewhere(context(), bytes, &area_);
  }
  std::atomic<uint32_t>& word() const { return stock_in(area_, tag_); }
  uint32_t units() const { return StockWord{word().load()}.have(); }

  Tenant* tenant_ = nullptr;
  void* object_ = nullptr;
  OwnerTag tag_ = 0;
  uint32_t area_ = 0;
};

#define NEEDS_ANOTHER_CPU(bytes) \
  if (!put_elsewhere(bytes)) GTEST_SKIP() << "no restartable sequences, or one CPU"

TEST_F(StockDrainTest, StopsThenCloses) {
  NEEDS_ANOTHER_CPU(4096);
  StockDrain drain(StockDrain::kFilled);
  drain.add(tag_);
  EXPECT_TRUE(StockWord{word().load()}.held()) << "no bytes are taken before the fence";
  EXPECT_EQ(context().held(), 64u + 4096u);
  EXPECT_EQ(drain.finish(), 4096u);
  EXPECT_TRUE(drain.reached_all());
  EXPECT_TRUE(StockWord{word().load()}.closed());
  EXPECT_EQ(context().held(), 64u);
}

TEST_F(StockDrainTest, FilledLeavesEmptyWordsOpen) {
  NEEDS_ANOTHER_CPU(4096);
  uncharge(context(), 4096);
  const StockWord empty = StockWord::of(0, 100);
  word() = empty.word;
  StockDrain filled(StockDrain::kFilled);
  filled.add(tag_);
  EXPECT_EQ(filled.finish(), 0u);
  EXPECT_EQ(word().load(), empty.word);
  StockDrain open(StockDrain::kOpen);
  open.add(tag_);
  EXPECT_EQ(open.finish(), 0u);
  EXPECT_TRUE(StockWord{word().load()}.closed());
}

// A section that had loaded the word before it was stopped, and commits over it: what it leaves counts, not what was there.
TEST_F(StockDrainTest, SectionThatCommitsOverTheStopWins) {
  NEEDS_ANOTHER_CPU(4096);
  const StockWord before{word().load()};
  for (const auto which : {StockDrain::kFilled, StockDrain::kOpen}) {
    word() = before.word;
    StockDrain drain(which);
    drain.add(tag_);
    word() = before.taken(32).word;
    EXPECT_EQ(drain.finish(), 4096u - 256u);
    EXPECT_TRUE(drain.reached_all());
    EXPECT_TRUE(StockWord{word().load()}.closed());
    EXPECT_EQ(context().held(), 64u + 256u) << "the section's object";
    uncharge(context(), 256);
    if (which == StockDrain::kFilled)
      ASSERT_TRUE(charge_more(context(), 4096, RequestKind::kSmall));
  }
}

// The same where nothing is left in the word. An offline that found it stopped has left it to this drainer, so it must not stay open.
TEST_F(StockDrainTest, WordThatASectionHasEmptiedIsClosedToo) {
  NEEDS_ANOTHER_CPU(4096);
  const StockWord before{word().load()};
  StockDrain drain(StockDrain::kFilled);
  drain.add(tag_);
  EXPECT_EQ(offline_tenant(*tenant_, 0), 0);
  word() = before.taken(before.have()).word;
  EXPECT_EQ(drain.finish(), 0u);
  EXPECT_TRUE(StockWord{word().load()}.closed());
  uncharge(context(), 4096);
  EXPECT_EQ(context().held(), 64u);
}

// Words that others have stopped are theirs, and are told as not reached.
TEST_F(StockDrainTest, OthersWordsAreLeftAlone) {
  NEEDS_ANOTHER_CPU(4096);
  StockDrain first(StockDrain::kOpen);
  first.add(tag_);
  const uint32_t stopped = word().load();
  {
    StockDrain second(StockDrain::kOpen);
    second.add(tag_);
    EXPECT_EQ(second.finish(), 0u);
    EXPECT_FALSE(second.reached_all());
    EXPECT_EQ(word().load(), stopped);
  }
  EXPECT_EQ(first.finish(), 4096u);
  EXPECT_TRUE(first.reached_all());
}

// While all numbers are in use a drainer takes what needs no fence, and says that this was not all.
TEST_F(StockDrainTest, NumbersRunOutAndComeBack) {
  NEEDS_ANOTHER_CPU(4096);
  std::vector<Tenant*> others;
  std::vector<uint32_t> seen;
  {
    std::vector<std::unique_ptr<StockDrain>> drains;
    for (uint32_t i = 0; i < StockWord::kStops; ++i) {
      Tenant& other = make(root_tenant, std::to_string(i));
      others.push_back(&other);
      uint32_t area = 0;
      ASSERT_TRUE(stock_elsewhere(context_of_tenant(other), 128, &area));
      drains.push_back(std::make_unique<StockDrain>(StockDrain::kOpen));
      drains.back()->add(tag_of(context_of_tenant(other)));
      seen.push_back(stock_in(area, tag_of(context_of_tenant(other))).load());
      EXPECT_TRUE(StockWord{seen.back()}.held());
      EXPECT_EQ(std::count(seen.begin(), seen.end(), seen.back()), 1) << "numbers differ";
    }
    StockDrain late(StockDrain::kOpen);
    late.add(tag_);
    EXPECT_EQ(late.finish(), 0u);
    EXPECT_FALSE(late.reached_all());
    EXPECT_EQ(StockWord{word().load()}.bytes(), 4096u);
    for (auto& drain : drains) EXPECT_EQ(drain->finish(), 128u);
  }
  EXPECT_EQ(close_stocks_of(context()), 4096u);
}

// More words than one fence is for.
TEST_F(StockDrainTest, ManyWords) {
  NEEDS_ANOTHER_CPU(4096);
  Tenant& top = make(root_tenant, "top");
  std::vector<OwnerTag> tags;
  uint32_t area = 0;
  for (int i = 0; i < 300; ++i) {
    AccountingContext& each = context_of_tenant(make(top, std::to_string(i)));
    ASSERT_TRUE(stock_elsewhere(each, 128, &area));
    tags.push_back(tag_of(each));
  }
  StockDrain drain(StockDrain::kFilled);
  for (const OwnerTag tag : tags) drain.add(tag);
  EXPECT_EQ(drain.finish(), 300u * 128u);
  EXPECT_TRUE(drain.reached_all());
  for (const OwnerTag tag : tags) EXPECT_TRUE(all_closed(tag));
  EXPECT_EQ(top.counter.usage(), 0u);
  close_stocks_of(context());
}

}  // namespace
}  // namespace tenure
