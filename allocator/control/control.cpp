#include "allocator/control/control.h"

#include <errno.h>

#include "accounting/pressure/events.h"
#include "accounting/pressure/pressure.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/reaper.h"
#include "allocator/control/statistics.h"
#include "allocator/hooks.h"
#include "allocator/slabs/current.h"
#include "allocator/upkeep/process_pressure.h"
#include "base/system/system_calls.h"

namespace tenure {
namespace {

// Bounds the work of one control operation, and is more than one brings.
constexpr size_t kHeapsLookedAt = 4;

// The pause grows with the excess: a tenant a tenth above its high gets the whole of it.
void pause_for_excess(uint64_t usage, uint64_t high) {
  constexpr uint64_t kLongestMs = 10;
  const uint64_t excess = usage - high;
  const uint64_t whole = high / 10 + 1;
  const uint64_t us = excess >= whole ? kLongestMs * 1000 : kLongestMs * 1000 * excess / whole;
  const timespec pause{0, static_cast<long>(us * 1000)};
  sys::sleep(pause);
}

}  // namespace

void after_control_operation() {
  {
    MutexGuard guard(tenants_mutex);
    reap_heaps(kHeapsLookedAt);
  }
  deferred::drain();
  run_event_handlers();
  look_at_pressure(Occasion::kControl);
  poll_live_requests(ServedBy::kControl);
}

size_t reap_all() {
  // The tree's pin goes with one grace period, the caches with the next, then the heap, and with it the pin on the parent, whose
  // own caches are next. Others that create and remove tenants meanwhile do not keep us for ever.
  constexpr int kRounds = 3, kMostRounds = kRounds + 2 * int{kDeepest};
  for (int round = 0; round < kMostRounds; ++round) {
    const Reaped reaped = reap_all_heaps();
    flush_tenants();
    if (reaped.stay == 0 || (!reaped.destroyed && round >= kRounds)) break;
  }
  run_event_handlers();
  // Large objects have no heap that waits for them: the contexts know them, too.
  size_t left_behind = 0;
  for_each_dead_context([&](const DeadContext& dead) { left_behind += dead.bytes != 0; });
  return left_behind;
}

size_t reclaim_bytes(Tenant& top, size_t bytes) {
  const StallScope stalled(top);
  // Objects that stand ready in lists are no usage, so they are given up besides and do not count.
  const uint64_t ready = listed_below(top);
  const size_t wanted = bytes > SIZE_MAX - ready ? SIZE_MAX : bytes + ready;
  size_t freed = 0;
  for (const ReclaimStage stage : kReclaimStages) {
    if (freed < wanted) freed += reclaim(top, wanted - freed, stage);
  }
  const uint64_t left = listed_below(top), besides = ready > left ? ready - left : 0;
  return freed > besides ? freed - besides : 0;
}

int checkpoint() {
  const int saved = errno;
  const size_t handled = run_event_handlers();
  look_at_pressure(Occasion::kCheckpoint);
  poll_live_requests(ServedBy::kControl);
  // The thread's own handle keeps the tenant and its ancestors. The charge of a departed one stands still.
  for (Tenant* tenant = &current_tenant().nearest_online(); tenant->parent() != nullptr;
       tenant = tenant->parent()) {
    const uint64_t high = tenant->counter.high();
    if (tenant->counter.usage() <= high) continue;
    reclaim_to(*tenant, high, ReclaimFor::kTenant);
    const uint64_t usage = tenant->counter.usage();
    if (usage <= high) continue;
    const StallScope stalled(current_tenant());
    pause_for_excess(usage, high);
  }
  errno = saved;
  return static_cast<int>(handled);
}

}  // namespace tenure
