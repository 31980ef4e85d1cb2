#include "accounting/charge/charge.h"
#include "accounting/hooks.h"

#include <stdlib.h>
#include <unistd.h>

#include "accounting/pressure/events.h"
#include "accounting/pressure/pressure.h"
#include "accounting/pressure/reclaim.h"
#include "accounting/tenants/own_region.h"
#include "base/system/log.h"
#include "base/words/attributes.h"

namespace tenure {

constinit std::atomic<void (*)(const Tenant&)> report_at_limit{nullptr};
namespace {

// A charge goes to a tenant or, for growth, through a context that already holds bytes.
struct Payer {
  Tenant* tenant;
  AccountingContext* context;
  AccountingContext*
      from;  // The context whose charge of the same bytes ends when the new one holds, or nullptr.
};

struct Attempt {
  AccountingContext* context = nullptr;  // Holds the charge.
  Tenant* failed_at =
      nullptr;  // Pinned. nullptr without a context: the request is too large for any limit.
  Tenant* above_high = nullptr;  // Pinned: the charge took this tenant across high.
};

// Returns the highest of the levels, or nullptr.
Tenant* record_levels(Tenant* tenant, uint32_t levels, EventKind kind) {
  Tenant* highest = nullptr;
  for (; levels != 0; levels >>= 1, tenant = tenant->parent()) {
    if ((levels & 1) == 0) continue;
    record_event(*tenant, kind);
    highest = tenant;
  }
  return highest;
}

// The context that takes the bytes; it already holds them. This is the tryget loop: a missing or dead context means that its tenant is
// going offline, and that its charges go to the parent. In a read section.
AccountingContext* hold_context(const Payer& payer, uint64_t bytes) {
  if (payer.context) return payer.context->hold(bytes) ? payer.context : nullptr;
  for (Tenant* tenant = payer.tenant; tenant != nullptr; tenant = tenant->parent()) {
    // Acquire: pairs with the publication in create_tenant().
    AccountingContext* context = tenant->context.load(std::memory_order_acquire);
    if (context && context->hold(bytes)) return context;
  }
  return nullptr;  // Not even the root's: 256 TiB are held.
}

// The lowest tenant at or above both.
Tenant* common_ancestor(Tenant* a, Tenant* b) {
  while (a != b) {
    Tenant*& lower = a->depth < b->depth ? b : a;
    lower = lower->parent();
  }
  return a;
}

// One read section: the context, its tenant and all ancestors stay while they are charged
// (accounting_context.h, I3).
Attempt attempt(const Payer& payer, uint64_t bytes, Allowance allowance) {
  ensure_own_counters();
  grace::ReadSection section;
  AccountingContext* context = hold_context(payer, bytes);
  if (context == nullptr) return {};
  // Between this load and the charge the context may be reparented. The charge then also stays on the counter of the departed tenant, which
  // no thread reads any more. From its parent up the counters are right (I2).
  Tenant* owner = context->tenant();
  // A charge that moves changes nothing from the common ancestor up. Both owners are read once. Either may be reparented meanwhile. As with
  // a charge and an uncharge, only the counter of a departed tenant is missed then.
  Tenant* const before = payer.from ? payer.from->tenant() : nullptr;
  const PageCounter* const end = before ? &common_ancestor(owner, before)->counter : nullptr;
  const ChargeOutcome outcome = owner->counter.try_charge(bytes, allowance, end);
  if (outcome.failed_at) {
    context->drop(bytes);
    Tenant& failed = Tenant::of(*outcome.failed_at);
    // Fails only for a tenant that is being freed, whose limit does not matter any more.
    return {nullptr, failed.pin() ? &failed : nullptr};
  }
  if (before) {
    before->counter.uncharge(bytes, end);
    payer.from->drop(bytes);
    count_uncharged(bytes);
  }
  Attempt done{context};
  if (TENURE_UNLIKELY((outcome.crossed_high | outcome.above_max) != 0)) {
    Tenant* highest = record_levels(owner, outcome.crossed_high, EventKind::kHigh);
    record_levels(owner, outcome.above_max, EventKind::kOverdraw);
    if (highest && highest->pin()) done.above_high = highest;
  }
  return done;
}

[[noreturn]] void abort_at_limit(Tenant& tenant) {
  record_event(tenant, EventKind::kAbort);
  LineBuffer line;
  line.text("tenure: limit reached: tenant ");
  tenant.write_path(line);
  line.text(", max ").decimal(tenant.counter.max()).text("\n").flush(STDERR_FILENO);
  if (auto* const report = report_at_limit.load(std::memory_order_acquire)) report(tenant);
  abort();
}

// The number of tries of a charge while shrinkers succeed and other threads take the freed room.
constexpr uint8_t kShrinksForACharge = 32;

// A charge that a limit refuses. The levels of the tree may refuse it in any order, and a level may refuse again after another has let it
// pass. Each level has its own turn of these steps, and the charge is tried again after each step.
class RefusedCharge {
public:
  RefusedCharge(const Payer& payer, uint64_t bytes, RequestKind kind)
      : payer_(payer), bytes_(bytes), kind_(kind) {}

  // `failed` is pinned, and unpinned here. The context that took the charge, or nullptr.
  AccountingContext* settle(Tenant* failed);

private:
  enum class Step : uint8_t { kPurge, kShrink, kAllow, kRefuse };
  struct Turn {
    Step next = Step::kPurge;
    uint8_t shrinks = 0;
    bool begun = false;
    bool allowed = false;  // The policy has decided that this request may go above max.
  };

  // The next step of the level that refuses now. False: its policy refuses, too.
  bool take_step(Tenant& failed);
  bool allow(Tenant& failed, Turn& turn, Verdict verdict);
  size_t reclaim_at(Tenant& failed, ReclaimStage stage);
  static uint64_t allowance(const PageCounter& counter, const void* request);

  const Payer& payer_;
  const uint64_t bytes_;
  const RequestKind kind_;
  // Indexed by depth, which is unique here: all levels that can refuse are on one path to the root.
  Turn turns_[kDeepest];
};

// A level that has not been asked for its policy has no allowance, so it refuses, and its turn comes.
uint64_t RefusedCharge::allowance(const PageCounter& counter, const void* request) {
  const auto& self = *static_cast<const RefusedCharge*>(request);
  const Tenant& tenant = Tenant::of(counter);
  if (!self.turns_[tenant.depth].allowed) return 0;
  return allowance_of(decide(tenant.policy(), self.kind_), tenant.reserve());
}

// The bytes to reclaim to get below max. Usage may be above max by the reserve, or because max was lowered.
size_t RefusedCharge::reclaim_at(Tenant& failed, ReclaimStage stage) {
  const StallScope stalled(payer_.tenant ? *payer_.tenant : failed);
  const uint64_t usage = failed.counter.usage();
  const uint64_t max = failed.counter.max();
  return reclaim(failed, usage > max ? usage - max + bytes_ : bytes_, stage);
}

bool RefusedCharge::allow(Tenant& failed, Turn& turn, Verdict verdict) {
  turn.next = Step::kRefuse;
  if (verdict == Verdict::kAbort) abort_at_limit(failed);
  turn.allowed = verdict != Verdict::kRefuse;
  return turn.allowed;
}

bool RefusedCharge::take_step(Tenant& failed) {
  Turn& turn = turns_[failed.depth];
  if (!turn.begun) record_event(failed, EventKind::kMax);
  turn.begun = true;
  const Verdict verdict = decide(failed.policy(), kind_);
  if (turn.next == Step::kRefuse) return false;
  // A request that is granted anyway needs no reclaim.
  if (turn.next == Step::kAllow || verdict == Verdict::kGrant) return allow(failed, turn, verdict);
  // The charge is tried again whatever the step has freed, because other threads may have uncharged meanwhile.
  if (turn.next == Step::kPurge) {
    reclaim_at(failed, ReclaimStage::kPurge);
    turn.next = Step::kShrink;
  } else if (reclaim_at(failed, ReclaimStage::kShrink) == 0 ||
             ++turn.shrinks == kShrinksForACharge) {
    turn.next = Step::kAllow;
  }
  return true;
}

// Ends: a level has 34 steps at most.
AccountingContext* RefusedCharge::settle(Tenant* failed) {
  while (take_step(*failed)) {
    const Attempt again = attempt(payer_, bytes_, {allowance, this});
    if (again.above_high) again.above_high->unpin();  // Reclaim has just run.
    failed->unpin();
    failed = again.failed_at;
    if (failed == nullptr) return again.context;
  }
  failed->counter.count_failure();
  show_event(*failed, live::EventKind::kFailed, bytes_);
  tell_failure(*failed, {bytes_, turns_[failed->depth].shrinks});
  failed->unpin();
  return nullptr;
}

TENURE_SLOW AccountingContext* charge_slow(const Payer& payer, uint64_t bytes, RequestKind kind,
                                           Tenant* failed) {
  if (failed == nullptr) return nullptr;
  if (refuses_quietly()) {
    failed->unpin();
    return nullptr;
  }
  return RefusedCharge(payer, bytes, kind).settle(failed);
}

// Runs once per crossing, not for every charge above high. Caches are given up, and no thread waits. tenure_checkpoint() does the rest.
TENURE_SLOW void reclaim_above_high(Tenant& tenant) {
  const uint64_t usage = tenant.counter.usage();
  const uint64_t high = tenant.counter.high();
  if (usage > high) reclaim(tenant, usage - high, ReclaimStage::kPurge);
  if (tenant.counter.usage() > high) tell_above_high(tenant);
  tenant.unpin();
}

AccountingContext* charge_payer(const Payer& payer, uint64_t bytes, RequestKind kind) {
  const ChargingScope charging;
  const Attempt first = attempt(payer, bytes, {});
  if (TENURE_UNLIKELY(first.context == nullptr))
    return charge_slow(payer, bytes, kind, first.failed_at);
  if (TENURE_UNLIKELY(first.above_high != nullptr)) reclaim_above_high(*first.above_high);
  return first.context;
}

// Without reclaim or a policy's allowance.
AccountingContext* try_once(const Payer& payer, uint64_t bytes) {
  const Attempt only = attempt(payer, bytes, {});
  if (only.failed_at) only.failed_at->unpin();
  if (TENURE_UNLIKELY(only.above_high != nullptr)) reclaim_above_high(*only.above_high);
  return only.context;
}

}  // namespace

AccountingContext* charge(Tenant& tenant, uint64_t bytes, RequestKind kind,
                          AccountingContext* from) {
  return charge_payer({&tenant, nullptr, from}, bytes, kind);
}

AccountingContext* charge_if_it_fits(Tenant& tenant, uint64_t bytes, AccountingContext* from) {
  return try_once({&tenant, nullptr, from}, bytes);
}

bool charge_more_if_it_fits(AccountingContext& context, uint64_t bytes) {
  return try_once({nullptr, &context, nullptr}, bytes) != nullptr;
}

bool charge_more(AccountingContext& context, uint64_t bytes, RequestKind kind) {
  return charge_payer({nullptr, &context, nullptr}, bytes, kind) != nullptr;
}

void uncharge(AccountingContext& context, uint64_t bytes) {
  ensure_own_counters();
  grace::ReadSection section;
  // Read after this thread received the memory, so it is the tenant of the charge or a later one (I2). The counters come first: while the
  // context holds the bytes, its tenant's counters have them.
  context.tenant()->counter.uncharge(bytes);
  context.drop(bytes);
  count_uncharged(bytes);
}

}  // namespace tenure
