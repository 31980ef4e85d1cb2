// Each promise that validate_heap() checks, broken on purpose and mended again.
#include <string>

#include "accounting/charge/charge.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/fronts/drain.h"
#include "allocator/fronts/front.h"
#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

class ValidateTest : public HeapTest {
protected:
  static constexpr size_t kSize = 3072;  // A class of its own in this program's life.

  void SetUp() override {
    HeapTest::SetUp();
    trim();
    for (int i = 0; i < 6; ++i) held_.push_back(allocate(kSize));
    // Two objects free in the slab, none in fronts.
    deallocate(held_[1]);
    deallocate(held_[4]);
    drain_fronts();
    ASSERT_EQ(validate_heap(), nullptr);
    cache_ = &root_caches[index_of(class_of(kSize))];
    granule_ = granule_of(held_[0]);
    number_ = arena.page_map.at(granule_).descriptor.load();
    slab_ = &arena.descriptors.at(number_);
    ASSERT_GE(slab_->state.load().free, 2);
  }
  void TearDown() override {
    for (const size_t i : {0, 2, 3, 5}) deallocate(held_[i]);
    HeapTest::TearDown();
  }

  // What validate_heap() says while the cell has the value.
  template <typename T>
  static std::string with(std::atomic<T>& cell, T value) {
    const T saved = cell.exchange(value);
    const char* const wrong = validate_heap();
    cell.store(saved);
    EXPECT_EQ(validate_heap(), nullptr);
    return wrong ? wrong : "";
  }
  std::string with_state(SlabState state) { return with(slab_->state, state); }

  std::vector<void*> held_;
  Cache* cache_ = nullptr;
  RunDescriptor* slab_ = nullptr;
  uint32_t granule_ = 0, number_ = 0;
};

TEST_F(ValidateTest, SlabCounts) {
  const SlabState state = slab_->state.load();
  SlabState bad = state;
  bad.free = static_cast<uint16_t>(bad.carved + 1);
  EXPECT_EQ(with_state(bad), "slab counts are out of range");
  bad = state;
  bad.carved = static_cast<uint16_t>(slab_->capacity + 1);
  EXPECT_EQ(with_state(bad), "slab counts are out of range");
  bad = state;
  bad.free = bad.carved;
  EXPECT_EQ(with_state(bad), "an empty slab was not given back");
  bad = state;
  bad.bits = 0;
  EXPECT_EQ(with_state(bad), "a slab with free objects is unlisted");
}

TEST_F(ValidateTest, SlabFreeLists) {
  const SlabState state = slab_->state.load();
  SlabState bad = state;
  ++bad.free;
  EXPECT_EQ(with_state(bad), "a slab's free list is broken");
  bad = state;
  --bad.free;
  EXPECT_EQ(with_state(bad), "a slab's free list is broken");
  bad = state;
  bad.head = 0;
  EXPECT_EQ(with_state(bad), "a slab lost its free list");
  auto& link = *static_cast<std::atomic<uint64_t>*>(
      static_cast<void*>(slab_base(*slab_) + (state.head - 1u) * size_t{slab_->object_size}));
  EXPECT_EQ(with(link, uint64_t{0x4141414141414141}), "a slab's free list is broken");
}

TEST_F(ValidateTest, GranuleEntries) {
  EXPECT_EQ(with(arena.page_map.at(granule_).descriptor, number_ + 1),
            "a slab's granule has another entry");
}

TEST_F(ValidateTest, FrontWords) {
  std::atomic<ChainWord>& word = word_in_area(arena.cpus, cache_->front_slot);
  EXPECT_EQ(with(word, kStoppedWord), "a front is stopped");
  const ChainWord chain = chain_push(held_[0], empty_word(cache_->limit));
  EXPECT_EQ(with(word, chain + 1), "a front's chain is broken");
  // An object of another class.
  void* const other = allocate(64);
  EXPECT_EQ(with(word, chain_push(other, empty_word(cache_->limit))), "a front's chain is broken");
  deallocate(other);
  // An object that was never handed out.
  void* const beyond = slab_base(*slab_) + slab_->state.load().carved * size_t{slab_->object_size};
  if (slab_->state.load().carved < slab_->capacity) {
    EXPECT_EQ(with(word, chain_push(beyond, empty_word(cache_->limit))),
              "a front's chain is broken");
  }
}

TEST_F(ValidateTest, DepotChains) {
  const ChainWord chain = chain_push(held_[2], chain_push(held_[0], empty_word(cache_->limit)));
  cache_->depot.push(chain);
  EXPECT_EQ(validate_heap(), nullptr);
  auto& link = *static_cast<std::atomic<uint64_t>*>(held_[2]);
  EXPECT_EQ(with(link, link.load() ^ 3), "a depot chain is broken");
  EXPECT_EQ(cache_->depot.pop(), chain);
}

TEST_F(ValidateTest, LostGranules) {
  const tenure::Run run = arena.page_heap.allocate(1, 1, Fill::kAny, Growth::kOpen);
  ASSERT_TRUE(run);
  bool only_lost = false;
  const char* const wrong = validate_heap(&only_lost);
  ASSERT_NE(wrong, nullptr);
  EXPECT_EQ(std::string(wrong), "granules are lost");
  EXPECT_TRUE(only_lost);
  arena.page_heap.release(run.granule, 1);
}

TEST_F(ValidateTest, GranulesUsedTwice) {
  void* const large = allocate(3 * kGranuleSize);
  const uint32_t first = granule_of(large);
  const uint32_t number = arena.page_map.at(first).descriptor.load();
  EXPECT_EQ(with(arena.page_map.at(first + 1).descriptor, number_), "a granule is used twice");
  // Nothing leads to it.
  EXPECT_EQ(with(arena.page_map.at(first).descriptor, uint32_t{0}), "granules are lost");
  EXPECT_EQ(arena.page_map.at(first).descriptor.load(), number);
  deallocate(large);
}

TEST_F(ValidateTest, Charges) {
  Tenant* tenant = nullptr;
  ASSERT_EQ(create_tenant(root_tenant, "validated", &tenant), 0);
  AccountingContext* const context = tenant->context.load();
  {
    AccountingContext* const lost = charge(*tenant, 100, RequestKind::kSmall);
    bool only_lost = false;
    EXPECT_EQ(std::string(validate_heap(&only_lost)),
              "charges are lost: their memory is not there");
    EXPECT_TRUE(only_lost);
    uncharge(*lost, 100);
  }
  slab_->context = context;
  EXPECT_EQ(std::string(validate_heap()), "memory is charged to nobody");
  slab_->context = nullptr;
  tenant->counter.mend(1);  // More than the root's.
  EXPECT_EQ(std::string(validate_heap()), "a tenant's usage is less than what is held");
  tenant->counter.mend(0);
  root_tenant.counter.mend(root_tenant.counter.usage() + 1);
  EXPECT_EQ(std::string(validate_heap()), "a tenant's usage is more than what is held");
  root_tenant.counter.mend(root_tenant.counter.usage() - 1);
  EXPECT_EQ(validate_heap(), nullptr);
  offline_tenant(*tenant, 0);
  tenant->unpin();
  flush_tenants();
}

TEST_F(ValidateTest, FreedGranules) {
  arena.page_heap.release(granule_, 1);
  const char* const wrong = validate_heap();
  ASSERT_NE(wrong, nullptr);
  EXPECT_EQ(std::string(wrong), "a slab's granule is free");
  ASSERT_TRUE(arena.page_heap.extend(granule_ - 1, 1, 2)) << "the granule cannot be claimed again";
}

}  // namespace
}  // namespace tenure
