// The numbers of a counter of the tenants' tree: in the tenant itself, or, where there is a live region, at the start of the tenant's
// slot there (live/layout.h).
//
// Others of the process's user may write a record that lies in the region. So every value is taken as a number and nothing else.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/words/double_word.h"
#include "live/layout.h"

namespace tenure {

// A tenant's policy is the first, unless set.
constexpr uint64_t kDefaultReserve = 64 * 1024;

struct CounterRecord {
  constexpr CounterRecord() = default;
  CounterRecord(const CounterRecord&) = delete;
  CounterRecord& operator=(const CounterRecord&) = delete;

  AtomicDoubleWord word;          // {usage, ~max}. Changed by compare-and-swap.
  std::atomic<uint64_t> peak{0};  // Raised only. Statistics, as failures and events: relaxed.
  std::atomic<uint64_t> failures{0};
  // Settings that bind nothing but later decisions: relaxed, as nothing is published with them.
  std::atomic<uint64_t> min{0};
  std::atomic<uint64_t> low{0};
  std::atomic<uint64_t> high_complement{0};
  std::atomic<uint64_t> oom{kDefaultReserve};  // live::pack_oom(policy, reserve)
  std::atomic<uint64_t> events[live::kEvents] = {};
};

// The tail of the last 16 bytes is free for what lies behind it in a tenant.
constexpr size_t kCounterRecordBytes = 104;
static_assert(offsetof(CounterRecord, word) == offsetof(live::TenantSlot, usage));
static_assert(offsetof(live::TenantSlot, max_complement) == 8);
static_assert(offsetof(CounterRecord, peak) == offsetof(live::TenantSlot, peak));
static_assert(offsetof(CounterRecord, failures) == offsetof(live::TenantSlot, failures));
static_assert(offsetof(CounterRecord, min) == offsetof(live::TenantSlot, min));
static_assert(offsetof(CounterRecord, low) == offsetof(live::TenantSlot, low));
static_assert(offsetof(CounterRecord, high_complement) ==
              offsetof(live::TenantSlot, high_complement));
static_assert(offsetof(CounterRecord, oom) == offsetof(live::TenantSlot, oom));
static_assert(offsetof(CounterRecord, events) == offsetof(live::TenantSlot, events));

}  // namespace tenure
