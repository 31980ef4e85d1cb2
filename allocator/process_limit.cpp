#include "allocator/process_limit.h"

#include <stdlib.h>

#include "accounting/pressure.h"
#include "accounting/reclaim.h"
#include "accounting/tenant.h"
#include "allocator/arena.h"
#include "allocator/current.h"
#include "allocator/reclaim.h"
#include "base/log.h"

namespace tenure {
namespace {

// Bytes of `process_memory` that stand for what is resident and was not asked for. Never more than was charged for it: raised after
// the charge, lowered before. Relaxed: nothing is published with it.
constinit std::atomic<uint64_t> other{0};
constinit std::atomic<int64_t> mapped_bytes{0};  // Statistics, of process_memory. Relaxed.

// Looks at the resident memory: in a coarse tick one, and where so much was charged since.
constexpr uint64_t kChargedBetweenLooks = kMiB;
constinit std::atomic<uint32_t> last_look{0};           // coarse_ms(); relaxed: when, not what.
constinit std::atomic<uint64_t> charged_since_look{0};  // Relaxed, likewise.

bool looks_at_resident() {
  return (process_memory.max() != kUnlimited || process_memory.high() != kUnlimited) &&
         counts_mappings(arena.settings);
}

void raise_other(uint64_t bytes) {
  charge_process_anyway(bytes);
  other.fetch_add(bytes, std::memory_order_relaxed);
}

void lower_other(uint64_t bytes) {
  uint64_t seen = other.load(std::memory_order_relaxed);
  uint64_t taken;
  do {
    taken = seen < bytes ? seen : bytes;
    if (taken == 0) return;
  } while (!other.compare_exchange_weak(seen, seen - taken, std::memory_order_relaxed));
  uncharge_process(taken);
}

TENURE_SLOW void look_at_resident_slow() {
  const uint64_t resident = os::resident_anonymous();
  if (resident == 0) return;  // Not to be had: /proc is missing, or a filter is in the way.
  const uint64_t usage = process_memory.usage();
  const uint64_t beside = other.load(std::memory_order_relaxed);
  const uint64_t asked_for = usage > beside ? usage - beside : 0;
  const uint64_t wanted = resident > asked_for ? resident - asked_for : 0;
  if (wanted > beside) raise_other(wanted - beside);
  if (wanted < beside) lower_other(beside - wanted);
}

void look_at_resident(uint64_t coming) {
  if (!looks_at_resident()) return;
  const uint64_t charged = charged_since_look.fetch_add(coming, std::memory_order_relaxed) + coming;
  const uint32_t now = coarse_ms();
  if (charged < kChargedBetweenLooks && last_look.load(std::memory_order_relaxed) == now) return;
  last_look.store(now, std::memory_order_relaxed);
  charged_since_look.store(0, std::memory_order_relaxed);
  look_at_resident_slow();
}

[[noreturn]] void abort_at_limit() {
  record_event(root_tenant, EventKind::kAbort);
  LineBuffer line;
  line.text("tenure: limit reached: tenant ");
  root_tenant.write_path(line);
  line.text(", max ").decimal(process_memory.max()).text("\n").flush(STDERR_FILENO);
  abort();
}

}  // namespace

uint64_t ProcessCharge::allowance(const PageCounter&, const void* request) {
  const auto& self = *static_cast<const ProcessCharge*>(request);
  if (!self.allowed_) return self.moved_;
  const Verdict verdict = decide(root_tenant.policy.load(std::memory_order_relaxed), self.kind_);
  const uint64_t more =
      allowance_of(verdict, root_tenant.reserve.load(std::memory_order_relaxed));
  return more > kUnlimited - self.moved_ ? kUnlimited : more + self.moved_;
}

bool ProcessCharge::take(uint64_t bytes) {
  bytes_ = bytes;
  look_at_resident(bytes);
  const ChargeOutcome outcome = process_memory.try_charge(bytes, {allowance, this});
  refused_ = outcome.failed_at != nullptr;
  if (outcome.crossed_high != 0) {
    above_high_ = true;
    record_event(root_tenant, EventKind::kHigh);
  }
  if (outcome.above_max != 0 && allowed_) record_event(root_tenant, EventKind::kOverdraw);
  return !refused_;
}

// What has to be given back for the request to fit.
uint64_t ProcessCharge::excess() const {
  const uint64_t usage = process_memory.usage(), max = process_memory.max();
  const uint64_t allowed = max > kUnlimited - moved_ ? kUnlimited : max + moved_;
  return usage > kUnlimited - bytes_ || usage + bytes_ <= allowed ? bytes_
                                                                  : usage + bytes_ - allowed;
}

bool ProcessCharge::allow(Verdict verdict) {
  next_ = Step::kRefuse;
  if (verdict == Verdict::kAbort) abort_at_limit();
  allowed_ = verdict != Verdict::kRefuse;
  if (!allowed_) process_memory.count_failure();
  return allowed_;
}

// Tried again whatever a step has brought: others may have given something back meanwhile.
bool ProcessCharge::make_room() {
  if (refuses_quietly()) return false;
  if (!begun_) record_event(root_tenant, EventKind::kMax);
  begun_ = true;
  const Verdict verdict = decide(root_tenant.policy.load(std::memory_order_relaxed), kind_);
  if (next_ == Step::kRefuse) {
    process_memory.count_failure();
    return false;
  }
  // Nothing needs to be given up for what is granted anyway.
  if (next_ == Step::kAllow || verdict == Verdict::kGrant) return allow(verdict);
  const StallScope stalled(current_tenant());
  switch (next_) {
  case Step::kPurge:
    arena.page_heap.purge_free(excess());
    next_ = Step::kTrim;
    break;
  case Step::kTrim:
    trim();
    next_ = may_shrink(occasion_) ? Step::kShrink : Step::kAllow;
    break;
  default:
    if (reclaim(root_tenant, excess(), ReclaimStage::kShrink) != 0) trim();
    next_ = Step::kAllow;
  }
  if (looks_at_resident()) look_at_resident_slow();
  return true;
}

void ProcessCharge::finish() {
  if (!above_high_) return;
  above_high_ = false;
  trim();
}

bool charge_process(uint64_t bytes, RequestKind kind) {
  if (bytes == 0) return true;
  ProcessCharge charge(kind);
  while (!charge.take(bytes))
    if (!charge.make_room()) return false;
  charge.finish();
  return true;
}

ProcessMemory process_memory_now() {
  const int64_t mapped = mapped_bytes.load(std::memory_order_relaxed);
  return {process_memory.usage(), arena.page_heap.resident_bytes(),
          mapped > 0 ? static_cast<uint64_t>(mapped) : 0, other.load(std::memory_order_relaxed)};
}

void count_mapped(int64_t bytes) { mapped_bytes.fetch_add(bytes, std::memory_order_relaxed); }

void mend_process_memory(uint64_t mapped) {
  mapped_bytes.store(static_cast<int64_t>(mapped), std::memory_order_relaxed);
  process_memory.mend(arena.page_heap.dirty_bytes() + mapped +
                      other.load(std::memory_order_relaxed));
}

}  // namespace tenure
