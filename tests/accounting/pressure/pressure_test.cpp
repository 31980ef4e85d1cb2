#include "accounting/pressure/pressure.h"

#include "accounting/shrinkers/shrink.h"
#include "tests/accounting/tree_fixture.h"

namespace tenure {
namespace {

constexpr uint64_t kSecond = 1'000'000;

uint32_t percent(uint32_t average) { return average / PressureAverages::kOne / 100; }

TEST(PressureAverages, RiseAndFallWithTheirTimes) {
  PressureAverages averages;
  for (int i = 0; i < 5; ++i) averages = averages.advanced(2 * kSecond, 2 * kSecond);
  // 1 - exp(-1) and 1 - exp(-1/6) after 10 seconds at 100 %.
  EXPECT_NEAR(percent(averages.over_10s), 63, 1);
  EXPECT_NEAR(percent(averages.over_60s), 15, 1);
  averages = averages.advanced(10 * kSecond, 0);
  EXPECT_NEAR(percent(averages.over_10s), 23, 1);
  averages = averages.advanced(3600 * kSecond, 0);
  EXPECT_EQ(percent(averages.over_10s), 0u);
  EXPECT_EQ(percent(averages.over_60s), 0u);
  averages = averages.advanced(3600 * kSecond, 1800 * kSecond);
  EXPECT_NEAR(percent(averages.over_60s), 50, 1);
}

TEST(PressureAverages, ExtremesStayInRange) {
  PressureAverages averages;
  for (uint64_t elapsed : {2 * kSecond, uint64_t{1} << 40, uint64_t{1} << 62}) {
    averages = averages.advanced(elapsed, UINT64_MAX);
    EXPECT_LE(averages.over_10s, 10000 * PressureAverages::kOne);
    EXPECT_LE(averages.over_60s, 10000 * PressureAverages::kOne);
  }
  EXPECT_NEAR(percent(averages.over_60s), 100, 1);
}

TEST(Pressure, OverlappingStallsCountOnce) {
  Pressure pressure;
  pressure.begin(1000);
  pressure.begin(2000);
  EXPECT_EQ(pressure.total_us(2500), 1500u);
  pressure.end(3000);
  EXPECT_EQ(pressure.total_us(3500), 2500u);
  pressure.end(4000);
  EXPECT_EQ(pressure.total_us(9000), 3000u);
  pressure.end(9999);  // Without a beginning.
  EXPECT_EQ(pressure.total_us(20000), 3000u);
}

TEST(Pressure, AveragesAreComputedWhenAsked) {
  Pressure pressure;
  EXPECT_EQ(pressure.averages(100 * kSecond).over_10s, 0u);
  pressure.begin(100 * kSecond);
  EXPECT_NEAR(percent(pressure.averages(110 * kSecond).over_10s), 63, 1);
  pressure.end(110 * kSecond);
  EXPECT_NEAR(percent(pressure.averages(120 * kSecond).over_10s), 23, 1);
  EXPECT_NEAR(percent(pressure.averages(120 * kSecond).over_10s), 23, 1);
}

using PressureTest = TreeTest;

TEST_F(PressureTest, StallsCountForAllAbove) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  Tenant& c = make(a, "c");
  b.set_max(1000);
  b.set_policy(Policy::kFailAll);
  register_reclaim_hooks({[](Tenant&, size_t) -> size_t {
                            const uint64_t until = monotonic_us() + 3000;
                            while (monotonic_us() < until) {
                            }
                            return 0;
                          },
                          nullptr});
  const uint64_t before = pressure_of(root_tenant).total_us;
  EXPECT_EQ(pressure_of(a).total_us, 0u);
  EXPECT_EQ(charge(b, 2000, RequestKind::kSmall), nullptr);
  EXPECT_GE(pressure_of(b).total_us, 3000u);
  EXPECT_GE(pressure_of(a).total_us, 3000u);
  EXPECT_GE(pressure_of(root_tenant).total_us, before + 3000);
  EXPECT_EQ(pressure_of(c).total_us, 0u);
  EXPECT_EQ(offline_tenant(b, 0), 0);
  EXPECT_EQ(pressure_of(b).total_us, 0u);
  // Granted by policy: nobody waits.
  c.set_max(10);
  c.set_policy(Policy::kObserve);
  AccountingContext* context = charge(c, 100, RequestKind::kSmall);
  EXPECT_EQ(pressure_of(c).total_us, 0u);
  uncharge(*context, 100);
}

// The numbers of cgroup v2's documentation: protection of the parent bounds its children's.
TEST_F(PressureTest, RoomIsWhatLiesAboveProtectionOnTheWholeWay) {
  Tenant& top = make(root_tenant, "top");
  Tenant& a = make(top, "a");
  Tenant& inner = make(a, "inner");
  Tenant& b = make(top, "b");
  a.counter.set_low(600);
  b.counter.set_min(100);
  b.counter.set_low(50);
  std::vector<AccountingContext*> held = {charge(inner, 1000, RequestKind::kSmall),
                                          charge(b, 300, RequestKind::kSmall),
                                          charge(top, 70, RequestKind::kSmall)};
  {
    grace::ReadSection section;
    Room room(top);
    EXPECT_EQ(room.of(top).above_low, kUnlimited);
    EXPECT_EQ(room.of(a).above_low, 400u);
    EXPECT_EQ(room.of(a).above_min, 1000u);
    EXPECT_EQ(room.of(inner).above_low, 400u);  // What protects a protects what is below.
    EXPECT_EQ(room.of(inner).above_min, 1000u);
    EXPECT_EQ(room.of(b).above_low, 200u);
    EXPECT_EQ(room.of(b).above_min, 200u);
    EXPECT_EQ(Room::own_usage(top), 70u);
    EXPECT_EQ(Room::own_usage(a), 0u);
    EXPECT_EQ(Room::own_usage(inner), 1000u);
  }
  uncharge(*held[0], 1000);
  uncharge(*held[1], 300);
  uncharge(*held[2], 70);
}

}  // namespace
}  // namespace tenure
