#include "accounting/charge/charge.h"
#include "accounting/pressure/events.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/accounting/tree_fixture.h"

namespace tenure {
namespace {

class ChargeTest : public TreeTest {
protected:
  // What the test charged, given back at the end.
  bool take(Tenant& tenant, uint64_t bytes, RequestKind kind = RequestKind::kSmall) {
    AccountingContext* context = charge(tenant, bytes, kind);
    if (context) held_.push_back({context, bytes});
    return context != nullptr;
  }
  void give_all_back() {
    for (auto& [context, bytes] : held_) uncharge(*context, bytes);
    held_.clear();
  }
  void TearDown() override {
    give_all_back();
    TreeTest::TearDown();
  }
  std::vector<std::pair<AccountingContext*, uint64_t>> held_;
};

TEST_F(ChargeTest, HeldByOneContextAndEveryAncestor) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  ASSERT_TRUE(take(b, 640));
  AccountingContext* context = held_[0].first;
  EXPECT_EQ(context->held(), 640u);
  EXPECT_EQ(b.counter.usage(), 640u);
  EXPECT_EQ(a.counter.usage(), 640u);
  EXPECT_EQ(root_tenant.counter.usage(), 640u);
  EXPECT_TRUE(charge_more(*context, 60, RequestKind::kSmall));
  EXPECT_EQ(context->held(), 700u);
  // In any portions.
  for (int i = 0; i < 6; ++i) uncharge(*context, 10);
  EXPECT_EQ(a.counter.usage(), 640u);
  EXPECT_TRUE(validate_tenants());
}

TEST_F(ChargeTest, AMovedChargeLeavesCommonAncestorsAlone) {
  Tenant& top = make(root_tenant, "top");
  Tenant& a = make(top, "a");
  Tenant& b = make(top, "b");
  Tenant& below = make(b, "below");
  top.set_max(1000);
  b.set_max(900);
  ASSERT_TRUE(take(a, 800));
  AccountingContext*& context = held_[0].first;
  const auto move = [&](Tenant& to) {
    AccountingContext* const moved = charge(to, 800, RequestKind::kLarge, context);
    if (moved) context = moved;
    return moved != nullptr;
  };
  const auto usages = [&] {
    return std::vector<uint64_t>{top.counter.usage(), a.counter.usage(), b.counter.usage(),
                                 below.counter.usage()};
  };
  using Usages = std::vector<uint64_t>;
  EXPECT_TRUE(move(below));
  EXPECT_EQ(usages(), (Usages{800, 0, 800, 800}));
  EXPECT_EQ(a.context.load()->held(), 0u);
  EXPECT_EQ(below.context.load()->held(), 800u);
  EXPECT_TRUE(move(b));
  EXPECT_EQ(usages(), (Usages{800, 0, 800, 0}));
  EXPECT_TRUE(move(b));
  EXPECT_TRUE(move(top));
  EXPECT_EQ(usages(), (Usages{800, 0, 0, 0}));
  EXPECT_EQ(top.counter.peak(), 800u);
  EXPECT_EQ(top.event_count(EventKind::kMax), 0u);
  b.set_max(700);
  EXPECT_FALSE(move(below));
  EXPECT_EQ(usages(), (Usages{800, 0, 0, 0}));
  EXPECT_EQ(top.context.load()->held(), 800u);
  EXPECT_TRUE(move(a));
  // Its owner has gone: the parent pays, who has it in common with everybody.
  EXPECT_EQ(offline_tenant(a, 0), 0);
  b.set_max(900);
  EXPECT_TRUE(move(below));
  EXPECT_EQ(usages()[0], 800u);
  EXPECT_EQ(usages()[3], 800u);
  EXPECT_TRUE(move(root_tenant));
  EXPECT_EQ(usages()[0], 0u);
  EXPECT_EQ(root_tenant.counter.usage(), 800u);
  EXPECT_TRUE(validate_tenants());
}

TEST_F(ChargeTest, FailLargeRefusesLargeAndReservesForSmall) {
  Tenant& a = make(root_tenant, "a");
  a.set_max(1000);
  a.set_reserve(100);
  EXPECT_TRUE(take(a, 1000, RequestKind::kLarge));
  EXPECT_EQ(a.event_count(EventKind::kMax), 0u);
  EXPECT_FALSE(take(a, 1, RequestKind::kLarge));
  EXPECT_EQ(a.counter.failures(), 1u);
  EXPECT_TRUE(take(a, 60, RequestKind::kSmall));
  EXPECT_EQ(a.event_count(EventKind::kOverdraw), 1u);
  EXPECT_FALSE(take(a, 41, RequestKind::kSmall));
  EXPECT_TRUE(take(a, 40, RequestKind::kSmall));
  EXPECT_EQ(a.counter.usage(), 1100u);
  EXPECT_EQ(a.event_count(EventKind::kMax), 4u);
  EXPECT_EQ(a.counter.failures(), 2u);
  EXPECT_EQ(root_tenant.counter.usage(), 1100u);
}

TEST_F(ChargeTest, OtherPolicies) {
  Tenant& a = make(root_tenant, "a");
  a.set_max(1000);
  a.set_policy(Policy::kFailAll);
  EXPECT_FALSE(take(a, 1001, RequestKind::kSmall));
  a.set_policy(Policy::kObserve);
  EXPECT_TRUE(take(a, 5000, RequestKind::kLarge));
  a.set_policy(Policy::kEvent);
  EXPECT_TRUE(take(a, 5000, RequestKind::kSmall));
  EXPECT_EQ(a.event_count(EventKind::kMax), 3u);
  EXPECT_EQ(a.event_count(EventKind::kOverdraw), 2u);
  EXPECT_EQ(a.counter.usage(), 10000u);
}

TEST_F(ChargeTest, AncestorsPolicyDecidesAtTheAncestorsLimit) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  a.set_max(1000);
  a.set_policy(Policy::kFailAll);
  b.set_max(500);
  b.set_policy(Policy::kObserve);
  EXPECT_TRUE(take(b, 800));
  EXPECT_FALSE(take(b, 300));
  EXPECT_EQ(a.counter.failures(), 1u);
  EXPECT_EQ(b.counter.failures(), 0u);
  EXPECT_EQ(b.counter.usage(), 800u);
}

TEST_F(ChargeTest, AbortNamesTheTenant) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  a.set_max(1000);
  a.set_policy(Policy::kAbort);
  EXPECT_DEATH(take(b, 1001), "tenure: limit reached: tenant /a, max 1000");
}

Tenant* reclaim_top;
std::vector<std::pair<ReclaimStage, size_t>> reclaim_calls;
AccountingContext* cached_context;
uint64_t cached_bytes;

size_t give_back(ReclaimStage stage, Tenant& top, size_t bytes) {
  reclaim_top = &top;
  reclaim_calls.emplace_back(stage, bytes);
  if (stage == ReclaimStage::kPurge || cached_bytes == 0) return 0;
  const uint64_t now = cached_bytes;
  cached_bytes = 0;
  uncharge(*cached_context, now);
  return now;
}

TEST_F(ChargeTest, ReclaimsInOrderBeforeFailing) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  Tenant& c = make(a, "c");
  register_reclaim_hooks(
      {[](Tenant& t, size_t n) { return give_back(ReclaimStage::kPurge, t, n); },
       [](Tenant& t, size_t n) { return give_back(ReclaimStage::kShrink, t, n); }});
  a.set_max(1000);
  a.set_policy(Policy::kFailAll);
  reclaim_calls.clear();
  cached_bytes = 600;
  cached_context = charge(c, 600, RequestKind::kLarge);
  ASSERT_NE(cached_context, nullptr);
  EXPECT_TRUE(take(b, 900, RequestKind::kLarge));
  ASSERT_EQ(reclaim_calls.size(), 2u);
  EXPECT_EQ(reclaim_calls[0].first, ReclaimStage::kPurge);
  EXPECT_EQ(reclaim_calls[1].first, ReclaimStage::kShrink);
  EXPECT_EQ(reclaim_calls[1].second, 900u);
  EXPECT_EQ(reclaim_top, &a);
  EXPECT_EQ(a.counter.failures(), 0u);
  EXPECT_FALSE(take(b, 101));
  EXPECT_EQ(a.counter.failures(), 1u);
}

TEST_F(ChargeTest, ReclaimDoesNotRecurse) {
  Tenant& a = make(root_tenant, "a");
  a.set_max(100);
  static Tenant* inner;
  static int depth;
  inner = &a;
  depth = 0;
  register_reclaim_hooks({[](Tenant&, size_t) -> size_t {
                            ++depth;
                            EXPECT_EQ(charge(*inner, 1000, RequestKind::kLarge), nullptr);
                            return 0;
                          },
                          nullptr});
  EXPECT_FALSE(take(a, 1000, RequestKind::kLarge));
  EXPECT_EQ(depth, 1);
}

TEST_F(ChargeTest, CrossingHighPurgesSignalsAndDoesNotFail) {
  Tenant& a = make(root_tenant, "a");
  static int purges;
  purges = 0;
  register_reclaim_hooks({[](Tenant&, size_t bytes) -> size_t {
                            ++purges;
                            EXPECT_EQ(bytes, 50u);
                            return 0;
                          },
                          nullptr});
  a.counter.set_high(100);
  EXPECT_TRUE(take(a, 100));
  EXPECT_EQ(purges, 0);
  EXPECT_TRUE(take(a, 50));
  EXPECT_TRUE(take(a, 50));
  EXPECT_EQ(purges, 1);
  EXPECT_EQ(a.event_count(EventKind::kHigh), 1u);
}

TEST_F(ChargeTest, EventfdIsToldOnceUntilRead) {
  Tenant& a = make(root_tenant, "a");
  a.set_max(100);
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  ASSERT_EQ(set_eventfd(a, fd, bit_of(EventKind::kMax)), 0);
  uint64_t value = 0;
  EXPECT_EQ(read(fd, &value, sizeof value), -1);
  errno = 77;
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(take(a, 101, RequestKind::kLarge));
  EXPECT_EQ(errno, 77);
  EXPECT_EQ(read(fd, &value, sizeof value), 8);
  EXPECT_EQ(value, 1u);
  EXPECT_EQ(read_events(a), bit_of(EventKind::kMax));
  EXPECT_EQ(read_events(a), 0u);
  EXPECT_FALSE(take(a, 101, RequestKind::kLarge));
  EXPECT_EQ(read(fd, &value, sizeof value), 8);
  ASSERT_EQ(set_eventfd(a, -1, 0), 0);
  EXPECT_FALSE(take(a, 101, RequestKind::kLarge));
  EXPECT_EQ(read(fd, &value, sizeof value), -1);
  close(fd);
}

TEST_F(ChargeTest, HandlersRunLaterAndOncePerBurst) {
  Tenant& a = make(root_tenant, "a");
  a.set_max(100);
  static int ran;
  ran = 0;
  int argument = 0;
  ASSERT_EQ(set_event_handler(
                a, EventKind::kMax,
                [](Tenant& tenant, EventKind kind, void* given) {
                  ++ran;
                  EXPECT_EQ(kind, EventKind::kMax);
                  ++*static_cast<int*>(given);
                  // No lock is held.
                  EXPECT_EQ(set_event_handler(tenant, EventKind::kHigh, nullptr, nullptr), 0);
                },
                &argument),
            0);
  EXPECT_FALSE(events_pending());
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(take(a, 101, RequestKind::kLarge));
  EXPECT_EQ(ran, 0);
  EXPECT_TRUE(events_pending());
  EXPECT_EQ(run_event_handlers(), 1u);
  EXPECT_EQ(argument, 1);
  EXPECT_EQ(run_event_handlers(), 0u);
  EXPECT_FALSE(take(a, 101, RequestKind::kLarge));
  offline_tenant(a, 0);
  EXPECT_EQ(run_event_handlers(), 1u);  // The queue kept the tenant.
  EXPECT_EQ(ran, 2);
}

TEST_F(ChargeTest, ReclaimToLoweredMax) {
  Tenant& a = make(root_tenant, "a");
  register_reclaim_hooks(
      {nullptr, [](Tenant& t, size_t n) { return give_back(ReclaimStage::kShrink, t, n); }});
  cached_bytes = 700;
  cached_context = charge(a, 700, RequestKind::kLarge);
  EXPECT_TRUE(take(a, 500));
  EXPECT_EQ(a.set_max(600), 1200u);
  EXPECT_EQ(reclaim_to(a, 600), 700u);
  EXPECT_EQ(a.counter.usage(), 500u);
  EXPECT_EQ(reclaim_to(a, 100), 0u);  // Nothing more to give; never kills.
}

TEST_F(ChargeTest, OutOfMeasureFails) {
  EXPECT_FALSE(take(root_tenant, 1ULL << 60, RequestKind::kLarge));
  EXPECT_EQ(root_tenant.counter.usage(), 0u);
}

}  // namespace
}  // namespace tenure
