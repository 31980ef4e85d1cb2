#include "accounting/charge.h"

#include <stdlib.h>
#include <unistd.h>

#include "accounting/pressure.h"
#include "accounting/reclaim.h"
#include "base/attributes.h"
#include "base/log.h"

namespace tenure {
namespace {

// A charge may go to a tenant or, for growth, through a context that holds something already.
struct Payer {
  Tenant* tenant;
  AccountingContext* context;
  AccountingContext* from;  // Whose charge of the same bytes ends when this one holds, or nullptr.
};

struct Attempt {
  AccountingContext* context = nullptr;  // Holds the charge.
  Tenant* failed_at =
      nullptr;  // Pinned. nullptr with no context: the request is beyond all measure.
  Tenant* above_high = nullptr;  // Pinned: the charge took it across high.
};

uint64_t small_allowance(const PageCounter& counter) {
  const Tenant& tenant = Tenant::of(counter);
  return allowance_of(decide(tenant.policy.load(std::memory_order_relaxed), RequestKind::kSmall),
                      tenant.reserve.load(std::memory_order_relaxed));
}

uint64_t large_allowance(const PageCounter& counter) {
  const Tenant& tenant = Tenant::of(counter);
  return allowance_of(decide(tenant.policy.load(std::memory_order_relaxed), RequestKind::kLarge),
                      tenant.reserve.load(std::memory_order_relaxed));
}

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

// The context that takes the bytes, already holding them. The tryget loop: a context that is gone
// or dead means that its tenant is going offline, and its charges go to the parent. In a read
// section.
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
  grace::ReadSection section;
  AccountingContext* context = hold_context(payer, bytes);
  if (context == nullptr) return {};
  // Between this load and the charge the context may be reparented. The charge then also stays on
  // the counter of the tenant that went, which nobody reads any more; from its parent up it is
  // right (I2).
  Tenant* owner = context->tenant();
  // A charge that moves stays where it is from the common ancestor up: there nothing is added and
  // nothing taken. Both owners are read once. Either may be reparented meanwhile: as with a charge
  // and with an uncharge, what is then missed is the counter of a tenant that went.
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
  abort();
}

// Moves the pin along from the tenant that failed before to the one that fails now.
Attempt retry(Tenant*& failed, const Payer& payer, uint64_t bytes, Allowance allowance) {
  const Attempt again = attempt(payer, bytes, allowance);
  if (again.above_high) again.above_high->unpin();  // Reclaim has just run.
  failed->unpin();
  failed = again.failed_at;
  return again;
}

// How often a charge is tried again while shrinkers have success and others take what they freed.
constexpr int kShrinksForACharge = 32;

// Purges, then shrinks, at whichever level refuses. The context that took the charge, or nullptr;
// *failed is then the level that refused last.
AccountingContext* reclaim_and_retry(const Payer& payer, uint64_t bytes, RequestKind kind,
                                     Tenant*& failed) {
  if (decide(failed->policy.load(std::memory_order_relaxed), kind) == Verdict::kGrant)
    return nullptr;
  const StallScope stalled(payer.tenant ? *payer.tenant : *failed);
  for (ReclaimStage stage : {ReclaimStage::kPurge, ReclaimStage::kShrink}) {
    for (int round = 0; round < kShrinksForACharge; ++round) {
      // Nothing needs to be given up for what is granted anyway.
      if (decide(failed->policy.load(std::memory_order_relaxed), kind) == Verdict::kGrant)
        return nullptr;
      const size_t freed = reclaim(*failed, bytes, stage);
      // Tried again whatever the hook says: others may have uncharged meanwhile.
      const Attempt again = retry(failed, payer, bytes, nullptr);
      if (failed == nullptr) return again.context;
      if (freed == 0 || stage == ReclaimStage::kPurge) break;
    }
  }
  return nullptr;
}

TENURE_SLOW AccountingContext* charge_slow(const Payer& payer, uint64_t bytes, RequestKind kind,
                                           Tenant* failed) {
  if (failed == nullptr) return nullptr;
  if (refuses_quietly()) {
    failed->unpin();
    return nullptr;
  }
  record_event(*failed, EventKind::kMax);
  AccountingContext* const reclaimed = reclaim_and_retry(payer, bytes, kind, failed);
  if (failed == nullptr) return reclaimed;
  const Verdict verdict = decide(failed->policy.load(std::memory_order_relaxed), kind);
  if (verdict == Verdict::kReserve || verdict == Verdict::kGrant) {
    // Every level on the way may use its own policy's allowance; one that has none may still
    // refuse.
    const Attempt again = retry(failed, payer, bytes,
                                kind == RequestKind::kSmall ? small_allowance : large_allowance);
    if (failed == nullptr) return again.context;
  }
  if (decide(failed->policy.load(std::memory_order_relaxed), kind) == Verdict::kAbort)
    abort_at_limit(*failed);
  failed->counter.count_failure();
  failed->unpin();
  return nullptr;
}

// Once per crossing, not for every charge above high: caches are given up, nothing waits.
// tenure_checkpoint() does the rest.
TENURE_SLOW void reclaim_above_high(Tenant& tenant) {
  const uint64_t usage = tenant.counter.usage();
  const uint64_t high = tenant.counter.high();
  if (usage > high) reclaim(tenant, usage - high, ReclaimStage::kPurge);
  tenant.unpin();
}

AccountingContext* charge_payer(const Payer& payer, uint64_t bytes, RequestKind kind) {
  const ChargingScope charging;
  const Attempt first = attempt(payer, bytes, nullptr);
  if (TENURE_UNLIKELY(first.context == nullptr))
    return charge_slow(payer, bytes, kind, first.failed_at);
  if (TENURE_UNLIKELY(first.above_high != nullptr)) reclaim_above_high(*first.above_high);
  return first.context;
}

// Without reclaim or a policy's allowance.
AccountingContext* try_once(const Payer& payer, uint64_t bytes) {
  const Attempt only = attempt(payer, bytes, nullptr);
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
  grace::ReadSection section;
  // Read after the memory came to us, hence the same tenant as at the charge or a later one (I2).
  // The counters first: while the context holds the bytes they are on its tenant's counters.
  context.tenant()->counter.uncharge(bytes);
  context.drop(bytes);
  count_uncharged(bytes);
}

}  // namespace tenure
