// How much each tenant gives to reclaim: in proportion, however large its objects are; and nothing is asked where nobody has anything.
#include "accounting/pressure/events.h"
#include "tests/accounting/shrinkers/shrinker_fixture.h"

namespace tenure {
namespace {

using ProportionTest = ShrinkerTest;

constexpr uint64_t kMiB = 1 << 20;

// Requests that are far smaller than an object, so that most shares are less than one.
TEST_F(ProportionTest, LargeObjectsAreTakenAsProportionallyAsSmallOnes) {
  for (const uint64_t size : {kMiB / 256, kMiB / 16, kMiB / 4, kMiB}) {
    Tenant& top = make(root_tenant, "top");
    Tenant* const children[] = {&make(top, "a"), &make(top, "b"), &make(top, "c")};
    const uint64_t held[] = {10 * kMiB, 30 * kMiB, 60 * kMiB};
    Tenant& growing = make(top, "growing");
    {
      Cache cache(size);
      for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(cache.add(*children[i], static_cast<int>(held[i] / size)));
      top.set_max(100 * kMiB);
      top.set_policy(Policy::kFailAll);
      std::vector<AccountingContext*> grown;
      for (uint64_t bytes = 0; bytes < 50 * kMiB; bytes += kMiB / 16) {
        grown.push_back(charge(growing, kMiB / 16, RequestKind::kLarge));
        ASSERT_NE(grown.back(), nullptr);
      }
      for (int i = 0; i < 3; ++i) {
        const uint64_t half = held[i] / 2, left = children[i]->counter.usage();
        const uint64_t off = left > half ? left - half : half - left;
        EXPECT_LE(off, size + half / 8) << size << ": " << left << " of " << held[i];
      }
      for (AccountingContext* context : grown) uncharge(*context, kMiB / 16);
    }
    TearDown();
    SetUp();
  }
}

// What is carried over for one shrinker is not another's.
TEST_F(ProportionTest, EachShrinkerHasItsOwnRest) {
  Tenant& tenant = make(root_tenant, "tenant");
  constexpr uint64_t kWhole = 1 << 16;
  EXPECT_EQ(whole_objects(tenant, 1, kWhole / 2), 0u);
  EXPECT_EQ(whole_objects(tenant, 2, kWhole / 2), 0u);
  EXPECT_EQ(whole_objects(tenant, 1, kWhole / 2), 1u);
  EXPECT_EQ(whole_objects(tenant, 1, kWhole / 2), 0u);
  EXPECT_EQ(whole_objects(tenant, 2, 5 * kWhole + kWhole / 2), 6u);
  // Two that share a place do not take each other's.
  EXPECT_EQ(whole_objects(tenant, 1 + kCarries, kWhole * 3 / 4), 0u);
  EXPECT_EQ(whole_objects(tenant, 1, kWhole * 3 / 4), 0u);
}

// Looks until nothing is known any more that a grace period has not confirmed.
bool remembers_nothing_below(Tenant& top) {
  shrink_subtree(top, 1);
  grace::synchronize();
  return nothing_to_shrink(top);
}

TEST_F(ProportionTest, AFruitlessLookIsRememberedUntilSomebodyHasSomething) {
  Tenant& top = make(root_tenant, "top");
  Tenant& middle = make(top, "middle");
  Tenant& child = make(middle, "child");
  Tenant& other = make(root_tenant, "other");
  Cache cache;
  EXPECT_FALSE(nothing_to_shrink(top)) << "nobody has looked yet";
  EXPECT_TRUE(remembers_nothing_below(top));
  EXPECT_TRUE(remembers_nothing_below(middle));
  ASSERT_TRUE(cache.add(other));
  EXPECT_TRUE(nothing_to_shrink(top)) << "elsewhere";
  ASSERT_TRUE(cache.add(child));
  EXPECT_FALSE(nothing_to_shrink(top));
  EXPECT_FALSE(nothing_to_shrink(middle));
  EXPECT_FALSE(remembers_nothing_below(top))
      << "it has given what it had, and is to be asked again";
  EXPECT_EQ(cache.count(child), 0u);
  EXPECT_FALSE(remembers_nothing_below(top)) << "now it has been";
  EXPECT_TRUE(remembers_nothing_below(top));
  // What goes to the parent at offline counts, too.
  ASSERT_TRUE(cache.add(child));
  EXPECT_EQ(offline_tenant(child, 0), 0);
  EXPECT_FALSE(nothing_to_shrink(middle));
  EXPECT_GT(shrink_subtree(top, 1), 0u);
}

TEST_F(ProportionTest, ALookThatOverlapsAMarkIsNotRemembered) {
  Tenant& top = make(root_tenant, "top");
  Tenant& child = make(top, "child");
  const uint64_t look = begin_look(top);
  {
    grace::ReadSection section;
    mark_shrinker(child, 0);
    clear_shrinker_mark(child, 0);
  }
  end_fruitless_look(top, look);
  grace::synchronize();
  EXPECT_FALSE(nothing_to_shrink(top));
  // Nor before its grace period has passed.
  {
    grace::ReadSection section;
    end_fruitless_look(top, begin_look(top));
    EXPECT_FALSE(nothing_to_shrink(top));
  }
  grace::synchronize();
  EXPECT_TRUE(nothing_to_shrink(top));
}

TEST_F(ProportionTest, ShrinkersWithoutAnLruAreAskedEachTime) {
  Tenant& top = make(root_tenant, "top");
  static int asked;
  Cache cache;
  EXPECT_TRUE(remembers_nothing_below(top));
  asked = 0;
  Shrinker* shrinker = nullptr;
  ASSERT_EQ(register_shrinker(
                "untied", [](Tenant*, void*) -> size_t { return ++asked, 0; },
                [](Tenant*, size_t, void*) -> size_t { return 0; }, 2, nullptr, &shrinker),
            0);
  AccountingContext* const used = charge(top, 100, RequestKind::kLarge);
  for (int look = 0; look < 3; ++look) {
    asked = 0;
    shrink_subtree(top, 1);
    EXPECT_GT(asked, 0) << look;
    grace::synchronize();
  }
  uncharge(*used, 100);
  EXPECT_EQ(unregister_shrinker(shrinker), 0);
}

TEST_F(ProportionTest, EventsAreCountedAtAllAncestors) {
  Tenant& top = make(root_tenant, "top");
  Tenant& middle = make(top, "middle");
  Tenant& child = make(middle, "child");
  const uint64_t before = events_below(root_tenant, EventKind::kMax);
  record_event(child, EventKind::kMax);
  record_event(middle, EventKind::kMax);
  record_event(middle, EventKind::kHigh);
  EXPECT_EQ(events_below(child, EventKind::kMax), 0u);
  EXPECT_EQ(events_below(middle, EventKind::kMax), 1u);
  EXPECT_EQ(events_below(top, EventKind::kMax), 2u);
  EXPECT_EQ(events_below(top, EventKind::kHigh), 1u);
  EXPECT_EQ(events_below(root_tenant, EventKind::kMax), before + 2);
  EXPECT_EQ(offline_tenant(child, 0), 0);
  EXPECT_EQ(events_below(middle, EventKind::kMax), 1u) << "of departed ones, too";
}

}  // namespace
}  // namespace tenure
