#include "accounting/counters/policy.h"

#include <gtest/gtest.h>

#include "accounting/counters/protection.h"

namespace tenure {
namespace {

TEST(Policy, Decisions) {
  EXPECT_EQ(decide(Policy::kFailLarge, RequestKind::kLarge), Verdict::kRefuse);
  EXPECT_EQ(decide(Policy::kFailLarge, RequestKind::kSmall), Verdict::kReserve);
  for (RequestKind kind : {RequestKind::kSmall, RequestKind::kLarge}) {
    EXPECT_EQ(decide(Policy::kFailAll, kind), Verdict::kRefuse);
    EXPECT_EQ(decide(Policy::kObserve, kind), Verdict::kGrant);
    EXPECT_EQ(decide(Policy::kEvent, kind), Verdict::kGrant);
    EXPECT_EQ(decide(Policy::kAbort, kind), Verdict::kAbort);
  }
}

TEST(Policy, Allowances) {
  EXPECT_EQ(allowance_of(Verdict::kRefuse, 5), 0u);
  EXPECT_EQ(allowance_of(Verdict::kAbort, 5), 0u);
  EXPECT_EQ(allowance_of(Verdict::kReserve, 5), 5u);
  EXPECT_EQ(allowance_of(Verdict::kGrant, 5), kUnlimited);
}

TEST(Protection, ClaimIsWhatIsUsedOfTheSetting) {
  EXPECT_EQ(claimed_protection(10, 100), 10u);
  EXPECT_EQ(claimed_protection(100, 10), 10u);
}

TEST(Protection, SharedInProportionWhenOverCommitted) {
  EXPECT_EQ(effective_protection(30, 100, 100), 30u);
  EXPECT_EQ(effective_protection(30, 100, 60), 30u);
  EXPECT_EQ(effective_protection(75, 100, 150), 50u);
  EXPECT_EQ(effective_protection(50, 0, 100), 0u);
  EXPECT_EQ(effective_protection(0, 0, 0), 0u);
  // No overflow near the largest values.
  EXPECT_EQ(effective_protection(1ULL << 62, 1ULL << 62, 1ULL << 63), 1ULL << 61);
  const uint64_t share = effective_protection(300ULL << 30, 500ULL << 30, 700ULL << 30);
  const uint64_t exact = (1500ULL << 30) / 7;
  EXPECT_LE(share, exact);
  EXPECT_GE(share, exact - (exact >> 28));
}

}  // namespace
}  // namespace tenure
