#include "accounting/shrinkers/lru.h"

#include <errno.h>

#include <stdexcept>

#include "tests/accounting/shrinkers/lru_fixture.h"

namespace tenure {
namespace {

// With one list a tenant, and with several, of which the caller uses one that is not the first.
class LruTest : public LruFixture, public testing::WithParamInterface<LruNodes> {
protected:
  LruTest() : LruFixture(GetParam()) {}
};

INSTANTIATE_TEST_SUITE_P(Nodes, LruTest,
                         testing::Values(LruNodes{}, LruNodes{4, [] { return 2u; }}),
                         [](const auto& instance) {
                           return "Of" + std::to_string(instance.param.count);
                         });

TEST_P(LruTest, ColdestFirstAndTouchedLast) {
  Tenant& a = make(root_tenant, "a");
  Object& first = add(a, 1);
  add_range(a, 2, 5);
  EXPECT_EQ(count(a), 4u);
  EXPECT_EQ(count(root_tenant), 0u);
  EXPECT_EQ(values(a), (Values{1, 2, 3, 4}));
  EXPECT_EQ(lru_touch(first.item), 1);
  EXPECT_EQ(values(a), (Values{2, 3, 4, 1}));
  EXPECT_EQ(lru_remove(first.item), 1);
  EXPECT_EQ(lru_remove(first.item), 0);
  EXPECT_EQ(lru_touch(first.item), 0);
  EXPECT_EQ(values(a), (Values{2, 3, 4}));
  EXPECT_EQ(lru_add(*lru, root_tenant, first.item), 0);
  EXPECT_EQ(lru_add(*lru, a, first.item), -EEXIST);
  EXPECT_EQ(values(root_tenant), (Values{1}));
  EXPECT_EQ(Lru::destroy(lru), -EBUSY);
  EXPECT_EQ(empty(a), 3u);
  EXPECT_EQ(empty(root_tenant), 1u);
}

TEST_P(LruTest, NothingIsAllocatedBeforeTheFirstItem) {
  Tenant& a = make(root_tenant, "a");
  const size_t before = lru_bytes(*lru);
  EXPECT_EQ(count(a), 0u);
  EXPECT_EQ(values(a), Values{});
  EXPECT_EQ(lru_bytes(*lru), before);
  add(a, 1);
  EXPECT_GT(lru_bytes(*lru), before);
  empty(a);
}

TEST_P(LruTest, Verdicts) {
  Tenant& a = make(root_tenant, "a");
  add_range(a, 0, 6);
  Values shown;
  bool retried = false;
  const size_t removed = walk(*lru, a, [&](Object& object) {
    shown.push_back(object.value);
    switch (object.value) {
    case 0:
      return LruVerdict::kRotate;
    case 1:
      EXPECT_EQ(lru_isolate(object.item), 0);
      return LruVerdict::kRemoved;
    case 2:
      retried = !retried;
      return retried ? LruVerdict::kRetry : LruVerdict::kSkip;
    case 4:
      return LruVerdict::kStop;
    default:
      return LruVerdict::kSkip;
    }
  });
  EXPECT_EQ(removed, 1u);
  EXPECT_EQ(shown, (Values{0, 1, 2, 2, 3, 4}));
  EXPECT_EQ(values(a), (Values{2, 3, 4, 5, 0}));
  // Rotating for ever ends: nothing is shown more often than there are items.
  int calls = 0;
  walk(*lru, a, [&](Object&) {
    ++calls;
    return LruVerdict::kRotate;
  });
  EXPECT_EQ(calls, 5);
  calls = 0;
  walk(
      *lru, a,
      [&](Object&) {
        ++calls;
        return LruVerdict::kSkip;
      },
      2);
  EXPECT_EQ(calls, 2);
  empty(a);
}

TEST_P(LruTest, CallbacksMayFreeAddAndWalk) {
  Tenant& a = make(root_tenant, "a");
  add_range(a, 0, 4);
  EXPECT_EQ(walk(*lru, a,
                 [&](Object& object) {
                   if (object.value % 2 == 0) {
                     EXPECT_EQ(lru_isolate(object.item), 0);
                     EXPECT_EQ(lru_isolate(object.item), -EINVAL);
                     EXPECT_EQ(lru_add(*lru, root_tenant, object.item), 0);
                     return LruVerdict::kRemoved;
                   }
                   EXPECT_EQ(lru_add(*lru, a, object.item), -EEXIST);
                   EXPECT_EQ(lru_touch(object.item), 0);
                   EXPECT_EQ(values(a).size(), object.value == 1 ? 2u : 1u);
                   return LruVerdict::kSkip;
                 }),
            2u);
  EXPECT_EQ(values(a), (Values{1, 3}));
  EXPECT_EQ(values(root_tenant), (Values{0, 2}));
  // Freed by the callback: nobody looks at it again.
  EXPECT_EQ(walk(*lru, a,
                 [&](Object& object) {
                   for (auto& owned : objects) {
                     if (owned.get() == &object) owned.reset();
                   }
                   return LruVerdict::kRemoved;
                 }),
            2u);
  EXPECT_EQ(count(a), 0u);
  empty(root_tenant);
}

TEST_P(LruTest, WhoRemovesAnItemBeingShownIsTold) {
  Tenant& a = make(root_tenant, "a");
  add_range(a, 0, 2);
  int calls = 0;
  bool wanted = false;
  EXPECT_EQ(walk(*lru, a,
                 [&](Object& object) {
                   ++calls;
                   if (object.value == 1) return LruVerdict::kSkip;
                   if (wanted) {
                     EXPECT_EQ(lru_isolate(object.item), 0);
                     return LruVerdict::kRemoved;
                   }
                   EXPECT_EQ(lru_remove(object.item), -EBUSY);
                   wanted = true;
                   return LruVerdict::kSkip;
                 }),
            1u);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(values(a), (Values{1}));
  empty(a);
}

// However often it is asked for: a walk ends.
TEST_P(LruTest, AnItemIsShownOnceMoreAtMost) {
  Tenant& a = make(root_tenant, "a");
  add_range(a, 0, 2);
  for (const LruVerdict verdict : {LruVerdict::kSkip, LruVerdict::kRotate, LruVerdict::kRetry}) {
    int calls = 0;
    const auto ask_again = [&](Object& object) {
      if (++calls > 100) return LruVerdict::kStop;
      EXPECT_EQ(lru_remove(object.item), -EBUSY);
      return verdict;
    };
    EXPECT_EQ(walk(*lru, a, ask_again), 0u);
    EXPECT_EQ(calls, 4) << "shown two times, and once more each";
    EXPECT_EQ(count(a), 2u);
    EXPECT_TRUE(validate_lru(*lru));
  }
  EXPECT_EQ(values(a), (Values{0, 1}));
  // Nobody wants them any more: the next walk shows each once, and they can be taken off.
  int calls = 0;
  walk(*lru, a, [&](Object&) {
    ++calls;
    return LruVerdict::kSkip;
  });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(lru_remove(objects[0]->item), 1);
  empty(a);
}

TEST_P(LruTest, ThrowingLeavesTheItemWhereItWas) {
  Tenant& a = make(root_tenant, "a");
  add_range(a, 0, 3);
  EXPECT_EQ(walk(*lru, a,
                 [](Object& object) -> LruVerdict {
                   if (object.value == 1) throw std::runtime_error("one");
                   return LruVerdict::kSkip;
                 }),
            0u);
  EXPECT_EQ(values(a), (Values{0, 1, 2}));
  empty(a);
}

TEST_P(LruTest, OfflineHandsTheListToTheParent) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  Tenant& c = make(b, "c");
  add_range(c, 0, 3);
  // b has no list: c's becomes b's. Then a gets one of its own, and b's is spliced to it.
  EXPECT_EQ(offline_tenant(c, 0), 0);
  EXPECT_EQ(values(b), (Values{0, 1, 2}));
  EXPECT_EQ(count(c), 3u);
  EXPECT_TRUE(validate_lru(*lru));
  Object& late = add(c, 3);
  EXPECT_EQ(count(b), 4u);
  add(a, 10);
  EXPECT_EQ(offline_tenant(b, 0), 0);
  EXPECT_EQ(values(a), (Values{10, 0, 1, 2, 3}));
  EXPECT_TRUE(validate_lru(*lru));
  // Items whose home is a list that has gone are touched and removed as before.
  EXPECT_EQ(lru_touch(objects[0]->item), 1);
  EXPECT_EQ(lru_remove(late.item), 1);
  EXPECT_EQ(values(a), (Values{10, 1, 2, 0}));
  EXPECT_EQ(offline_tenant(a, 0), 0);
  EXPECT_EQ(values(root_tenant), (Values{10, 1, 2, 0}));
  flush_tenants();
  EXPECT_EQ(lru_touch(objects[1]->item), 1);
  EXPECT_EQ(empty(root_tenant), 4u);
}

TEST_P(LruTest, OfflineInTheMiddleOfAWalk) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  add_range(a, 100, 103);
  add_range(b, 0, 4);
  Values shown;
  walk(*lru, b, [&](Object& object) {
    shown.push_back(object.value);
    if (object.value == 1) {
      EXPECT_EQ(offline_tenant(b, 0), 0);
      EXPECT_EQ(count(a), 6u);
    }
    if (object.value == 2) EXPECT_EQ(offline_tenant(a, 0), 0);
    if (object.value == 2) return LruVerdict::kRotate;
    return LruVerdict::kSkip;
  });
  EXPECT_EQ(shown, (Values{0, 1, 2, 3}));
  EXPECT_EQ(values(root_tenant), (Values{100, 101, 102, 0, 1, 3, 2}));
  empty(root_tenant);
}

TEST_P(LruTest, AReusedIdStartsEmpty) {
  Tenant& a = make(root_tenant, "a");
  const TenantId id = a.id();
  add_range(a, 0, 3);
  EXPECT_EQ(offline_tenant(a, 0), 0);
  flush_tenants();
  Tenant& b = make(root_tenant, "b");
  ASSERT_EQ(b.id(), id);
  EXPECT_EQ(count(b), 0u);
  add(b, 7);
  EXPECT_EQ(values(b), (Values{7}));
  EXPECT_EQ(values(root_tenant), (Values{0, 1, 2}));
  empty(b);
  empty(root_tenant);
}

TEST_P(LruTest, MemoryFollowsLivePairs) {
  constexpr int kTenants = 300;
  std::vector<Tenant*> tenants;
  for (int i = 0; i < kTenants; ++i)
    tenants.push_back(&make(root_tenant, std::to_string(i).c_str()));
  const size_t before = lru_bytes(*lru);
  for (Tenant* tenant : tenants) add(*tenant, 1);
  EXPECT_GE(lru_bytes(*lru), before + kTenants * sizeof(LruList));
  for (int i = 0; i + 1 < kTenants; ++i) {
    EXPECT_EQ(offline_tenant(*tenants[static_cast<size_t>(i)], 0), 0);
  }
  flush_tenants();
  EXPECT_EQ(count(root_tenant), kTenants - 1u);
  // One list, one leaf, and a directory that keeps its length.
  EXPECT_LE(lru_bytes(*lru), before + 3 * 512);
  empty(root_tenant);
  empty(*tenants.back());
}

}  // namespace
}  // namespace tenure
