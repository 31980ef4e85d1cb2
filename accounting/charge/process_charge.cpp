#include "accounting/charge/process_charge.h"

#include <stdlib.h>
#include <unistd.h>

#include "accounting/pressure/events.h"
#include "accounting/tenants/tenant.h"
#include "base/system/log.h"

namespace tenure {
namespace {

[[noreturn]] void abort_at_limit() {
  record_event(root_tenant, EventKind::kAbort);
  LineBuffer line;
  line.text("tenure: limit reached: tenant ");
  root_tenant.write_path(line);
  line.text(", max ").decimal(process_memory.max()).text("\n").flush(STDERR_FILENO);
  abort();
}

uint64_t sum(uint64_t a, uint64_t b) { return a > kUnlimited - b ? kUnlimited : a + b; }

}  // namespace

Verdict ProcessCharge::verdict() const { return decide(root_tenant.policy(), kind_); }

uint64_t ProcessCharge::allowance(const PageCounter&, const void* request) {
  const auto& self = *static_cast<const ProcessCharge*>(request);
  if (!self.allowed_) return self.moved_;
  const uint64_t reserve = root_tenant.reserve();
  return sum(allowance_of(self.verdict(), reserve), self.moved_);
}

bool ProcessCharge::take(uint64_t bytes) {
  bytes_ = bytes;
  follow_root_limits();
  look_at_resident(bytes);
  const ChargeOutcome outcome = process_memory.try_charge(bytes, {allowance, this});
  refused_ = outcome.failed_at != nullptr;
  if (!refused_) show_process_memory();
  if (outcome.crossed_high != 0) {
    above_high_ = true;
    record_event(root_tenant, EventKind::kHigh);
  }
  if (outcome.above_max != 0 && allowed_) record_event(root_tenant, EventKind::kOverdraw);
  return !refused_;
}

uint64_t ProcessCharge::excess() const {
  const uint64_t wanted = sum(process_memory.usage(), bytes_);
  const uint64_t allowed = sum(process_memory.max(), moved_);
  return wanted > allowed ? wanted - allowed : bytes_;
}

bool ProcessCharge::ask_policy() {
  const Verdict decided = verdict();
  if (decided == Verdict::kAbort) abort_at_limit();
  if (!allowed_ && decided != Verdict::kRefuse) return allowed_ = true;
  process_memory.count_failure();
  return false;
}

bool ProcessCharge::crossed_high() {
  const bool crossed = above_high_;
  above_high_ = false;
  return crossed;
}

}  // namespace tenure
