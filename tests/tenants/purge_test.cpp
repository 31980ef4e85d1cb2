// A purge looks only at tenants that may have free objects. Whatever was refused before, objects that are freed below a full parent
// make room for the next request.

#include <atomic>
#include <sched.h>
#include <thread>

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

struct Shape {
  const char* name;
  unsigned flags;
  size_t size;     // Of a child's objects,
  size_t each;     // and of all of them together.
  size_t request;  // Fits when they have gone.
};

class PurgeTest : public TenantTest, public testing::WithParamInterface<Shape> {};

// A parent whose children have filled it with objects of their own slabs.
class FullParent {
public:
  FullParent(size_t children, const Shape& shape) : shape_(shape) {
    parent_.policy(TENURE_FAIL_ALL);
    for (size_t i = 0; i < children; ++i) {
      children_.emplace_back(std::to_string(i), parent_, shape.flags);
      blocks_.emplace_back();
      blocks_.back().fill(children_.back(), shape.size, shape.each);
    }
    parent_.limit(TENURE_MAX, parent_.settled());
  }
  Tenant& child(size_t i) { return children_[i]; }
  Blocks& blocks(size_t i) { return blocks_[i]; }
  void replace(size_t i, const char* name) { children_[i] = Tenant(name, parent_, shape_.flags); }
  // Until the parent is full again.
  void refill(size_t i) { blocks_[i].fill(children_[i], shape_.size, SIZE_MAX); }

  bool is_refused() {
    void* const block = tenure_malloc(children_[0], shape_.request);
    free(block);
    return block == nullptr;
  }
  // Often enough for a purge to find, and look again, that there is nothing.
  void refuse_many() {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(is_refused());
  }

private:
  const Shape shape_;
  Tenant parent_{"parent"};
  std::vector<Tenant> children_;
  std::vector<Blocks> blocks_;
};

TEST_P(PurgeTest, FindsWhatIsFreedAfterFruitlessRequests) {
  constexpr size_t kChildren = 100;
  FullParent parent(kChildren, GetParam());
  for (size_t i = 1; i < kChildren; ++i) {
    parent.refuse_many();
    parent.blocks(i).clear();
    EXPECT_FALSE(parent.is_refused()) << i;
    parent.refill(i);
  }
}

// The first of them opens a word, which takes the others by the fast path.
TEST_P(PurgeTest, FindsWhatIsFreedBitByBit) {
  FullParent parent(40, GetParam());
  for (size_t i = 1; i < 40; i += 7) {
    Blocks& blocks = parent.blocks(i);
    for (size_t object = 0; object < blocks.count(); ++object) {
      blocks.free_one(object);
      if (object % 16 == 3 && object < 32) parent.refuse_many();
    }
    EXPECT_FALSE(parent.is_refused()) << i;
    blocks.clear();
    parent.refill(i);
  }
}

// While requests are refused all the time, and purges look for it.
TEST_P(PurgeTest, FindsWhatOthersFreeMeanwhile) {
  constexpr size_t kChildren = 64;
  FullParent parent(kChildren, GetParam());
  std::atomic<size_t> asked{0}, freed{0};
  std::thread other([&] {
    for (size_t i = 1; i < kChildren; ++i) {
      while (asked.load() < i) sched_yield();
      parent.blocks(i).clear();
      freed.store(i);
    }
  });
  for (size_t i = 1; i < kChildren; ++i) {
    asked.store(i);
    bool is_freed, refused;
    do {
      is_freed = freed.load() == i;
      refused = parent.is_refused();
      EXPECT_FALSE(is_freed && refused) << i;
    } while (!is_freed);
    // So that the next child's objects are what makes room.
    parent.refill(i);
  }
  other.join();
}

TEST_P(PurgeTest, FindsWhatAChildThatWasMadeLaterFrees) {
  FullParent parent(40, GetParam());
  parent.refuse_many();
  parent.blocks(1).clear();
  EXPECT_FALSE(parent.is_refused());
  parent.replace(1, "late");
  parent.refill(1);
  parent.refuse_many();
  parent.blocks(1).clear();
  EXPECT_FALSE(parent.is_refused());
}

INSTANTIATE_TEST_SUITE_P(
    Tenants, PurgeTest,
    testing::Values(Shape{"Ordinary", 0, 1024, 256 * kKiB, 128 * kKiB},
                    Shape{"Isolated", TENURE_ISOLATED, 1024, 256 * kKiB, 128 * kKiB},
                    // One slab, whose objects are fewer than a list of a front takes.
                    Shape{"FewObjects", TENURE_ISOLATED, 4096, 64 * kKiB, 40'000}),
    [](const auto& suite) { return suite.param.name; });

}  // namespace
}  // namespace blackbox
