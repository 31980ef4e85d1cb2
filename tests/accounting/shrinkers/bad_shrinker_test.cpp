// Shrinkers that misbehave, and what becomes of the tenants they are asked for.
#include <stdexcept>

#include "tests/accounting/shrinkers/shrinker_fixture.h"

namespace tenure {
namespace {

struct Bad {
  Tenant* tenant;
  Cache* cache;
  std::atomic<int> calls{0};
};

class BadShrinkerTest : public ShrinkerTest {
protected:
  // Registers the shrinker beside a good cache; the tenant must get its memory all the same.
  void expect_no_harm(CountCallback count, ScanCallback scan) {
    Tenant& a = limited(root_tenant, "a", 10000);
    Cache cache;
    Bad bad{&a, &cache};
    Shrinker* shrinker = nullptr;
    ASSERT_EQ(register_shrinker("bad", count, scan, 2, &bad, &shrinker), 0);
    EXPECT_TRUE(cache.add(a, 100));
    EXPECT_TRUE(fits(a, 5000));
    EXPECT_TRUE(fits(a, 10000));
    AccountingContext* held = charge(a, 10000, RequestKind::kSmall);
    EXPECT_FALSE(fits(a, 1));
    EXPECT_GT(bad.calls, 0);
    uncharge(*held, 10000);
    EXPECT_EQ(unregister_shrinker(shrinker), 0);
    EXPECT_EQ(errno, 4321);
  }
  void SetUp() override {
    ShrinkerTest::SetUp();
    errno = 4321;
  }
  static size_t many(Tenant*, void* argument) {
    ++static_cast<Bad*>(argument)->calls;
    errno = 1;
    return 1000;
  }
};

TEST_F(BadShrinkerTest, FreesNothing) {
  expect_no_harm(many, [](Tenant*, size_t, void*) -> size_t { return 0; });
}
TEST_F(BadShrinkerTest, ClaimsToHaveFreed) {
  expect_no_harm(many, [](Tenant*, size_t, void*) -> size_t { return SIZE_MAX; });
}
TEST_F(BadShrinkerTest, CountsNonsense) {
  expect_no_harm(
      [](Tenant* t, void* argument) -> size_t {
        many(t, argument);
        return SIZE_MAX;
      },
      [](Tenant*, size_t most, void*) -> size_t { return most; });
}
TEST_F(BadShrinkerTest, Throws) {
  expect_no_harm(
      [](Tenant* t, void* argument) -> size_t {
        many(t, argument);
        if (static_cast<Bad*>(argument)->calls % 2 == 0) throw std::runtime_error("count");
        return 10;
      },
      [](Tenant*, size_t, void*) -> size_t { throw 1; });
}
TEST_F(BadShrinkerTest, ChargesInside) {
  expect_no_harm(many, [](Tenant*, size_t, void* argument) -> size_t {
    Tenant& a = *static_cast<Bad*>(argument)->tenant;
    EXPECT_TRUE(in_reclaim());
    fits(a, 20000);  // Fails without reclaim, as this is it.
    return 0;
  });
}
TEST_F(BadShrinkerTest, AddsToTheLruInstead) {
  Tenant& a = limited(root_tenant, "a", 10000);
  Cache cache;
  Bad bad{&a, &cache};
  Shrinker* shrinker = nullptr;
  ASSERT_EQ(register_shrinker(
                "bad", many,
                [](Tenant*, size_t, void* argument) -> size_t {
                  auto& own = *static_cast<Bad*>(argument);
                  own.cache->add(*own.tenant);
                  return 1;
                },
                2, &bad, &shrinker),
            0);
  EXPECT_TRUE(cache.add(a, 100));
  EXPECT_TRUE(fits(a, 5000));
  EXPECT_FALSE(fits(a, 10000));  // There is always something again; but it comes to an end.
  EXPECT_EQ(unregister_shrinker(shrinker), 0);
  EXPECT_TRUE(fits(a, 10000));
}

// All objects are locked at first, and are let go when their owner has had a moment.
TEST_F(BadShrinkerTest, IsBusyAtFirst) {
  Tenant& top = limited(root_tenant, "top", 10000);
  Tenant& guarded = make(top, "guarded");
  Tenant& busy = make(top, "busy");
  guarded.counter.set_low(5000);
  Cache cache;
  EXPECT_TRUE(cache.add(guarded, 50));
  AccountingContext* held = charge(busy, 5000, RequestKind::kSmall);
  struct Locked {
    AccountingContext* held;
    int locked = 6;
  } locked{held};
  Shrinker* shrinker = nullptr;
  ASSERT_EQ(register_shrinker(
                "busy", [](Tenant* t, void*) -> size_t { return t->name()[0] == 'b' ? 1 : 0; },
                [](Tenant*, size_t, void* argument) -> size_t {
                  auto& own = *static_cast<Locked*>(argument);
                  if (own.held == nullptr || --own.locked > 0) return 0;
                  uncharge(*own.held, 5000);
                  own.held = nullptr;
                  return 1;
                },
                2, &locked, &shrinker),
            0);
  EXPECT_TRUE(fits(busy, 1000));
  EXPECT_EQ(locked.held, nullptr);
  EXPECT_EQ(cache.count(guarded), 50u);  // Nobody has fallen back on what is protected.
  EXPECT_EQ(unregister_shrinker(shrinker), 0);
}

}  // namespace
}  // namespace tenure
