// Policy: the decision when a charge would lead above a tenant's max and reclaim has not helped. Pure.
#pragma once

#include <cstdint>

#include "accounting/counters/page_counter.h"

namespace tenure {

enum class Policy : uint8_t {
  kFailLarge,  // Default. Large requests fail; small ones may use the reserve, so as to unwind.
  kFailAll,    // Every request fails.
  kObserve,    // Counts and grants.
  kEvent,      // Counts, signals and grants.
  kAbort,      // One line on stderr, then SIGABRT.
};
constexpr unsigned kPolicies = 5;

// The kind of request. Few programs expect a small request to fail.
enum class RequestKind : uint8_t { kSmall, kLarge };

enum class Verdict : uint8_t { kRefuse, kReserve, kGrant, kAbort };

constexpr Verdict decide(Policy policy, RequestKind kind) {
  switch (policy) {
  case Policy::kFailLarge:
    return kind == RequestKind::kSmall ? Verdict::kReserve : Verdict::kRefuse;
  case Policy::kFailAll:
    return Verdict::kRefuse;
  case Policy::kObserve:
  case Policy::kEvent:
    return Verdict::kGrant;
  case Policy::kAbort:
    return Verdict::kAbort;
  }
  return Verdict::kRefuse;
}

// The policy in a counter's settings (live::pack_oom). Other processes may have written it, so an invalid value counts as the default.
constexpr Policy policy_in(uint64_t oom) {
  const uint64_t policy = live::policy_of(oom);
  return policy < kPolicies ? static_cast<Policy>(policy) : Policy::kFailLarge;
}

// The bytes by which the verdict lets a charge exceed max.
constexpr uint64_t allowance_of(Verdict verdict, uint64_t reserve) {
  switch (verdict) {
  case Verdict::kGrant:
    return kUnlimited;
  case Verdict::kReserve:
    return reserve;
  default:
    return 0;
  }
}

}  // namespace tenure
