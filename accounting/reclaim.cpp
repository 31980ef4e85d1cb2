#include "accounting/reclaim.h"

#include <optional>

#include "accounting/pressure.h"
#include "accounting/tenant.h"
#include "accounting/under_way.h"
#include "base/check.h"

namespace tenure {
namespace {

constinit ReclaimHooks registered;  // Constant after bootstrap.

// Packed, so that other thread-locals find room behind the bytes: there is little.
struct __attribute__((packed)) ThisThread {
  uint64_t uncharged;  // Wraps around.
  UnderWay* innermost;
  uint32_t released;     // In pages: wraps after 16 TiB, and who measures just then is wrong once.
  bool reclaiming : 1;   // In a hook.
  bool quiet : 1;        // QuietScope
  uint8_t charging : 6;  // In how many charges: more than one in a signal handler.
};
constexpr uint64_t kReleasedUnit = 4096;
constexpr uint8_t kMostCharging = 63;
// A signal handler leaves it as it found it, but for `uncharged` and `released`, which need not be exact.
alignas(8) thread_local constinit ThisThread self __attribute__((tls_model("initial-exec"))) = {};

// What a stage needs beside memory.
bool may_run(ReclaimStage stage) {
  switch (stage) {
  case ReclaimStage::kPurge:
    return true;
  case ReclaimStage::kReap:
    return !holds_lock();
  case ReclaimStage::kShrink:
    break;
  }
  return self.charging <= 1 && !holds_lock() && !grace::in_read_section();
}

auto hook_of(ReclaimStage stage) {
  switch (stage) {
  case ReclaimStage::kPurge:
    return registered.purge_caches;
  case ReclaimStage::kReap:
    return registered.reap;
  case ReclaimStage::kShrink:
    break;
  }
  return registered.shrink;
}

}  // namespace

void register_reclaim_hooks(const ReclaimHooks& hooks) { registered = hooks; }

size_t reclaim(Tenant& top, size_t bytes, ReclaimStage stage) {
  const auto hook = hook_of(stage);
  if (hook == nullptr || self.reclaiming || !may_run(stage)) return 0;
  // A shrinker's own charges are not those that could be done without.
  const bool quiet = self.quiet;
  self.quiet = false;
  self.reclaiming = true;
  const size_t freed = hook(top, bytes);
  self.reclaiming = false;
  self.quiet = quiet;
  return freed;
}

void tell_above_high(Tenant& tenant) {
  if (registered.watch_above_high) registered.watch_above_high(tenant);
}

void tell_failure(Tenant& tenant, const Refusal& refusal) {
  if (registered.report_failure) registered.report_failure(tenant, refusal);
}

bool in_reclaim() { return self.reclaiming; }
uint64_t uncharged_here() { return self.uncharged; }
void count_uncharged(uint64_t bytes) { self.uncharged += bytes; }
uint64_t released_here() { return uint64_t{self.released} * kReleasedUnit; }
void count_released(uint64_t bytes) {
  self.released += static_cast<uint32_t>(bytes / kReleasedUnit);
}

ChargingScope::ChargingScope() : outer_(self.charging) {
  self.charging = (outer_ + (outer_ < kMostCharging)) & kMostCharging;
}
ChargingScope::~ChargingScope() { self.charging = outer_ & kMostCharging; }

QuietScope::QuietScope() : outer_(self.quiet) { self.quiet = true; }
QuietScope::~QuietScope() { self.quiet = outer_; }
bool refuses_quietly() { return self.quiet; }

// The fences are for signal handlers, and for fork in the midst of what the frame stands for.
void UnderWay::begin() {
  outer = self.innermost;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  self.innermost = this;
  std::atomic_signal_fence(std::memory_order_seq_cst);
}
void UnderWay::end() {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  self.innermost = outer;
  std::atomic_signal_fence(std::memory_order_seq_cst);
}
UnderWay* innermost_under_way() { return self.innermost; }

size_t reclaim_to(Tenant& top, size_t target, ReclaimFor whom) {
  // What was charged to a tenant that has gone is its parent's; its counter stands still.
  if (!top.online() || top.counter.usage() <= target) return 0;
  if (registered.empty_stocks) registered.empty_stocks(top);
  std::optional<StallScope> stalled;
  if (whom == ReclaimFor::kTenant) stalled.emplace(top);
  size_t total = 0;
  for (ReclaimStage stage : kReclaimStages) {
    for (;;) {
      const uint64_t usage = top.counter.usage();
      if (usage <= target) return total;
      const size_t freed = reclaim(top, usage - target, stage);
      if (freed == 0) break;
      total += freed;
    }
  }
  return total;
}

}  // namespace tenure
