// The numbers of a counter of the tenants' tree. They are in the tenant itself, or, with a live region, at the start of the tenant's slot
// there (live/layout.h).
//
// Other processes of the same user may write a record in the region. So the library uses every value only as a number.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/words/double_word.h"
#include "live/layout.h"

namespace tenure {

// A tenant's policy is the first one, unless the program sets another.
constexpr uint64_t kDefaultReserve = 64 * 1024;

struct CounterRecord {
  constexpr CounterRecord() = default;
  CounterRecord(const CounterRecord&) = delete;
  CounterRecord& operator=(const CounterRecord&) = delete;

  AtomicDoubleWord word;  // {usage, ~max}. Changed by compare-and-swap.
  std::atomic<uint64_t> peak{
      0};  // Raised only. Relaxed, because it is a statistic, as failures and events are.
  std::atomic<uint64_t> failures{0};
  // Settings for later decisions. Relaxed, because they publish nothing.
  std::atomic<uint64_t> min{0};
  std::atomic<uint64_t> low{0};
  std::atomic<uint64_t> high_complement{0};
  std::atomic<uint64_t> oom{kDefaultReserve};  // live::pack_oom(policy, reserve)
  std::atomic<uint64_t> events[live::kEvents] = {};
};

// The tail of the last 16 bytes is free for the fields behind the record in a tenant.
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
