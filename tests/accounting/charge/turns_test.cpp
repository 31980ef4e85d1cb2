// A charge that several levels of the tree refuse one after the other.
#include "tests/accounting/tree_fixture.h"

namespace tenure {
namespace {

// What a tenant's caches, or the program's, hold and would give up.
struct Held {
  Tenant* tenant;
  ReclaimStage stage;
  uint64_t bytes;
  AccountingContext* context;
};
std::vector<Held> all_held;
std::vector<std::string> steps;  // "purge top", in order

bool is_below(const Tenant* tenant, const Tenant& top) {
  while (tenant != nullptr && tenant != &top) tenant = tenant->parent();
  return tenant != nullptr;
}

size_t give_up(ReclaimStage stage, Tenant& top) {
  steps.push_back(std::string(stage == ReclaimStage::kPurge ? "purge " : "shrink ") + top.name());
  size_t freed = 0;
  for (Held& held : all_held) {
    if (held.stage != stage || held.bytes == 0 || !is_below(held.tenant, top)) continue;
    uncharge(*held.context, held.bytes);
    freed += held.bytes;
    held.bytes = 0;
  }
  return freed;
}

class TurnsTest : public TreeTest {
protected:
  void SetUp() override {
    TreeTest::SetUp();
    all_held.clear();
    steps.clear();
    register_reclaim_hooks({[](Tenant& top, size_t) { return give_up(ReclaimStage::kPurge, top); },
                            [](Tenant& top, size_t) { return give_up(ReclaimStage::kShrink, top); },
                            nullptr});
  }
  void TearDown() override {
    for (Held& held : all_held) {
      if (held.bytes != 0) uncharge(*held.context, held.bytes);
    }
    TreeTest::TearDown();
  }
  void hold(Tenant& tenant, ReclaimStage stage, uint64_t bytes) {
    AccountingContext* const context = charge(tenant, bytes, RequestKind::kLarge);
    ASSERT_NE(context, nullptr);
    all_held.push_back({&tenant, stage, bytes, context});
  }
  void use(Tenant& tenant, uint64_t bytes) {
    hold(tenant, ReclaimStage::kReap, bytes);  // No stage of malloc's gives it up.
  }
  static bool try_charge(Tenant& tenant, uint64_t bytes, RequestKind kind = RequestKind::kLarge) {
    AccountingContext* const context = charge(tenant, bytes, kind);
    if (context) uncharge(*context, bytes);
    return context != nullptr;
  }
  using Steps = std::vector<std::string>;
};

TEST_F(TurnsTest, ParentIsPurgedAlsoWhenTheChildHasRefusedFirst) {
  Tenant& top = make(root_tenant, "top");
  Tenant& child = make(top, "child");
  Tenant& sibling = make(top, "sibling");
  top.set_max(1000);
  child.set_max(200);
  hold(child, ReclaimStage::kPurge, 100);
  hold(sibling, ReclaimStage::kPurge, 900);
  EXPECT_TRUE(try_charge(child, 150));
  EXPECT_EQ(steps, (Steps{"purge child", "purge top"}));
  EXPECT_EQ(child.event_count(EventKind::kMax), 1u);
  EXPECT_EQ(top.event_count(EventKind::kMax), 1u);
  EXPECT_EQ(child.counter.failures() + top.counter.failures(), 0u);
}

TEST_F(TurnsTest, ChildIsShrunkAlsoWhenTheParentRefusesInBetween) {
  Tenant& top = make(root_tenant, "top");
  Tenant& child = make(top, "child");
  Tenant& sibling = make(top, "sibling");
  top.set_max(1000);
  child.set_max(200);
  hold(child, ReclaimStage::kShrink, 100);
  hold(sibling, ReclaimStage::kShrink, 900);
  EXPECT_TRUE(try_charge(child, 150));
  EXPECT_EQ(steps, (Steps{"purge child", "shrink child", "purge top", "shrink top"}));
}

TEST_F(TurnsTest, EveryLevelOfADeepTreeHasItsTurn) {
  std::vector<Tenant*> levels;
  Tenant* at = &root_tenant;
  for (int i = 0; i < 20; ++i) {
    at = &make(*at, "level");
    levels.push_back(at);
  }
  // The nearer to the root, the more room a level has, and the more it caches beside the others.
  for (int i = 0; i < 20; ++i) {
    Tenant& level = *levels[static_cast<size_t>(i)];
    Tenant& beside = make(level, "beside");
    hold(beside, i % 2 ? ReclaimStage::kPurge : ReclaimStage::kShrink, 100);
  }
  for (Tenant* level : levels) level->set_max(level->counter.usage());
  EXPECT_TRUE(try_charge(*levels.back(), 10));
  for (Tenant* level : levels) EXPECT_LE(level->event_count(EventKind::kMax), 1u);
  EXPECT_EQ(levels.back()->event_count(EventKind::kMax), 1u);
}

TEST_F(TurnsTest, ParentIsReclaimedBehindTheChildsAllowance) {
  for (const Policy policy : {Policy::kFailLarge, Policy::kObserve, Policy::kEvent}) {
    Tenant& top = make(root_tenant, "top");
    Tenant& child = make(top, "child");
    Tenant& sibling = make(top, "sibling");
    child.set_policy(policy);
    top.set_policy(Policy::kFailAll);
    top.set_max(1000);
    child.set_max(100);
    use(child, 100);
    hold(sibling, ReclaimStage::kShrink, 900);
    steps.clear();
    EXPECT_TRUE(try_charge(child, 50, RequestKind::kSmall)) << static_cast<int>(policy);
    EXPECT_EQ(steps.back(), "shrink top");
    EXPECT_EQ(steps.size(), policy == Policy::kFailLarge ? 4u : 2u)
        << "nothing is given up for what is granted anyway";
    EXPECT_EQ(top.event_count(EventKind::kMax), 1u);
    EXPECT_EQ(child.event_count(EventKind::kOverdraw), 1u);
    TearDown();
    SetUp();
  }
}

TEST_F(TurnsTest, ParentAbortsOnlyWhenNothingIsLeftToGive) {
  Tenant& top = make(root_tenant, "top");
  Tenant& child = make(top, "child");
  Tenant& sibling = make(top, "sibling");
  top.set_policy(Policy::kAbort);
  child.set_policy(Policy::kObserve);
  top.set_max(1000);
  child.set_max(100);
  use(child, 100);
  hold(sibling, ReclaimStage::kPurge, 400);
  hold(sibling, ReclaimStage::kShrink, 500);
  EXPECT_TRUE(try_charge(child, 400));
  EXPECT_TRUE(try_charge(child, 900));
  EXPECT_DEATH(try_charge(child, 901), "limit reached: tenant /top, max 1000");
}

TEST_F(TurnsTest, RefusedByOneLevelAfterAnotherHasAllowed) {
  Tenant& top = make(root_tenant, "top");
  Tenant& child = make(top, "child");
  top.set_policy(Policy::kFailAll);
  top.set_max(150);
  child.set_max(100);
  child.set_reserve(1000);
  use(child, 100);
  EXPECT_FALSE(try_charge(child, 60, RequestKind::kSmall));
  EXPECT_EQ(steps, (Steps{"purge child", "shrink child", "purge top", "shrink top"}));
  EXPECT_EQ(child.event_count(EventKind::kMax), 1u);
  EXPECT_EQ(top.event_count(EventKind::kMax), 1u);
  EXPECT_EQ(child.counter.failures(), 0u);
  EXPECT_EQ(top.counter.failures(), 1u);
  EXPECT_TRUE(try_charge(child, 50, RequestKind::kSmall));
  EXPECT_FALSE(try_charge(child, 10'000, RequestKind::kSmall)) << "beyond the reserve";
  EXPECT_EQ(child.counter.failures(), 1u);
}

// Where max was lowered, or the reserve is in use, giving up as much as is asked for is not enough.
TEST_F(TurnsTest, AsksForWhatIsAboveMaxToo) {
  Tenant& top = make(root_tenant, "top");
  use(top, 500);
  top.set_max(300);
  static size_t asked;
  asked = 0;
  register_reclaim_hooks({[](Tenant&, size_t bytes) -> size_t {
                            asked = bytes;
                            return 0;
                          },
                          nullptr, nullptr});
  EXPECT_FALSE(try_charge(top, 50));
  EXPECT_EQ(asked, 250u);
}

}  // namespace
}  // namespace tenure
