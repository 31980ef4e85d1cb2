#include "accounting/pressure/reclaim.h"

#include <optional>

#include "accounting/pressure/pressure.h"
#include "accounting/tenants/tenant.h"
#include "accounting/tenants/under_way.h"
#include "base/system/check.h"
#include "base/system/probes.h"
#include "base/threads/thread_words.h"

namespace tenure {
namespace {

constinit ReclaimHooks registered;  // Constant after bootstrap.

// Bits of thread_words: `reclaiming` is set in a hook, and `quiet` by QuietScope. `charging` is the number of the thread's unfinished
// charges, which is more than one in a signal handler.
constexpr uint8_t kMostCharging = 63;

// The conditions under which a stage may run.
bool may_run(ReclaimStage stage) {
  switch (stage) {
  case ReclaimStage::kPurge:
    return true;
  case ReclaimStage::kReap:
    return !holds_lock();
  case ReclaimStage::kShrink:
    break;
  }
  return thread_words.charging <= 1 && !holds_lock() && !grace::in_read_section();
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
  if (hook == nullptr || thread_words.reclaiming || !may_run(stage)) return 0;
  // A shrinker's own charges are not optional ones.
  const bool quiet = thread_words.quiet;
  thread_words.quiet = false;
  thread_words.reclaiming = true;
  const size_t freed = hook(top, bytes);
  thread_words.reclaiming = false;
  thread_words.quiet = quiet;
  if (probes::listens(probes::tenure_probe_reclaim)) {
    char path[probes::kLongestPath];
    top.copy_path(path, sizeof path);
    probes::fire_reclaim(index_of(top.id()), path, static_cast<uint64_t>(stage), bytes, freed);
  }
  return freed;
}

void tell_above_high(Tenant& tenant) {
  if (registered.watch_above_high) registered.watch_above_high(tenant);
}

void tell_failure(Tenant& tenant, const Refusal& refusal) {
  if (probes::listens(probes::tenure_probe_limit)) {
    char path[probes::kLongestPath];
    tenant.copy_path(path, sizeof path);
    probes::fire_limit(index_of(tenant.id()), path, refusal.bytes, refusal.shrinks);
  }
  if (registered.report_failure) registered.report_failure(tenant, refusal);
}

bool in_reclaim() { return thread_words.reclaiming; }
void count_uncharged(uint64_t bytes) {
  for_each_under_way<Achievement>([bytes](Achievement& each) { each.uncharged_ += bytes; });
}
void count_released(uint64_t bytes) {
  for_each_under_way<Achievement>([bytes](Achievement& each) { each.released_ += bytes; });
}

ChargingScope::ChargingScope() : outer_(thread_words.charging) {
  thread_words.charging = (outer_ + (outer_ < kMostCharging)) & kMostCharging;
}
ChargingScope::~ChargingScope() { thread_words.charging = outer_ & kMostCharging; }

QuietScope::QuietScope() : outer_(thread_words.quiet) { thread_words.quiet = true; }
QuietScope::~QuietScope() { thread_words.quiet = outer_; }
bool refuses_quietly() { return thread_words.quiet; }

// The fences are for signal handlers, and for a fork in the middle of the frame's operation.
void UnderWay::begin() {
  outer = thread_words.under_way;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  thread_words.under_way = this;
  std::atomic_signal_fence(std::memory_order_seq_cst);
}
void UnderWay::end() {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  thread_words.under_way = outer;
  std::atomic_signal_fence(std::memory_order_seq_cst);
}
UnderWay* innermost_under_way() { return thread_words.under_way; }

size_t reclaim_to(Tenant& top, size_t target, ReclaimFor whom) {
  // A departed tenant's charge belongs to its parent, and its counter does not change any more.
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
