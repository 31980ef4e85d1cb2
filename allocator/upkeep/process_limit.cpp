#include "allocator/upkeep/process_limit.h"

#include "accounting/pressure/events.h"
#include "accounting/pressure/pressure.h"
#include "accounting/pressure/reclaim.h"
#include "accounting/tenants/tenant.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/current.h"
#include "allocator/upkeep/reclaim.h"

namespace tenure {

// Tried again whatever a step has brought: others may have given something back meanwhile.
bool LimitTurn::make_room() {
  if (refuses_quietly()) return false;
  if (!begun_) record_event(root_tenant, EventKind::kMax);
  begun_ = true;
  // Nothing needs to be given up for what is granted anyway.
  if (next_ == Step::kAsk || charge_.verdict() == Verdict::kGrant) return charge_.ask_policy();
  const StallScope stalled(current_tenant());
  switch (next_) {
  case Step::kPurge:
    arena.page_heap.purge_free(charge_.excess());
    next_ = Step::kTrim;
    break;
  case Step::kTrim:
    trim();
    next_ = may_shrink(occasion_) ? Step::kShrink : Step::kAsk;
    break;
  default:
    if (reclaim(root_tenant, charge_.excess(), ReclaimStage::kShrink) != 0) trim();
    next_ = Step::kAsk;
  }
  look_at_resident_now();
  return true;
}

void LimitTurn::finish() {
  if (charge_.crossed_high()) trim();
}

bool charge_process(uint64_t bytes, RequestKind kind) {
  if (bytes == 0) return true;
  ProcessCharge charge(kind);
  LimitTurn turn(charge, Occasion::kMallocForRoot);
  while (!charge.take(bytes))
    if (!turn.make_room()) return false;
  turn.finish();
  return true;
}

}  // namespace tenure
