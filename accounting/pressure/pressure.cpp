#include "accounting/pressure/pressure.h"

#include "accounting/pressure/reclaim_state.h"
#include "accounting/pressure/shown_stall.h"
#include "accounting/tenants/own_region.h"
#include "accounting/tenants/tenant.h"
#include "base/words/atomic_update.h"

namespace tenure {
namespace {

// exp(-2 s / 10 s), exp(-2 s / 60 s) and exp(-2 s / 300 s) of 65536.
constexpr uint64_t kDecay10 = 53655;
constexpr uint64_t kDecay60 = 63387;
constexpr uint64_t kDecay300 = 65101;
// After this many periods earlier values have no effect.
constexpr uint64_t kMostPeriods = 2048;
constexpr uint64_t kFullShare = 10000 * PressureAverages::kOne;

uint32_t decayed(uint32_t average, uint64_t share, uint64_t decay, uint64_t periods) {
  uint64_t value = average;
  for (; periods > 0; --periods) value = (value * decay + share * (65536 - decay)) >> 16;
  return static_cast<uint32_t>(value);
}

uint64_t pack(PressureAverages averages) {
  return static_cast<uint64_t>(averages.over_60s) << 32 | averages.over_10s;
}
PressureAverages unpack(uint64_t word) {
  return {static_cast<uint32_t>(word), static_cast<uint32_t>(word >> 32), 0};
}

void begin_stall(Tenant& tenant, uint64_t now_us) {
  grace::ReadSection section;
  for (Tenant* t = &tenant.nearest_online(); t != nullptr; t = t->parent()) {
    if (ReclaimState* state = make_reclaim_state(*t)) state->pressure.begin(now_us);
  }
}

}  // namespace

PressureAverages PressureAverages::advanced(uint64_t elapsed_us, uint64_t stalled_us) const {
  if (stalled_us > elapsed_us) stalled_us = elapsed_us;
  uint64_t elapsed = elapsed_us, stalled = stalled_us;
  for (; elapsed >> 36 != 0; elapsed >>= 8) stalled >>= 8;  // So that the product fits.
  const uint64_t share = stalled * kFullShare / elapsed;
  uint64_t periods = elapsed_us / kPeriodUs;
  if (periods > kMostPeriods) periods = kMostPeriods;
  return {decayed(over_10s, share, kDecay10, periods), decayed(over_60s, share, kDecay60, periods),
          decayed(over_300s, share, kDecay300, periods)};
}

void Pressure::begin(uint64_t now_us) {
  // The first thread starts the clock of the averages. Relaxed: a plain time.
  uint64_t none = 0;
  averaged_at_.compare_exchange_strong(none, now_us << 1, std::memory_order_relaxed);
  atomic_update(stalled_, [now_us](uint64_t word) -> std::optional<uint64_t> {
    return word < kOneThread ? kOneThread | (now_us & (kOneThread - 1)) : word + kOneThread;
  });
}

void Pressure::end(uint64_t now_us) {
  const auto update = atomic_update(stalled_, [](uint64_t word) -> std::optional<uint64_t> {
    if (word < kOneThread) return std::nullopt;
    return word - kOneThread < kOneThread ? 0 : word - kOneThread;
  });
  if (!update || update->after != 0) return;
  const uint64_t since = update->before & (kOneThread - 1);
  const uint64_t now = now_us & (kOneThread - 1);
  if (now > since) total_us_.fetch_add(now - since, std::memory_order_relaxed);
  advance(now_us);
}

uint64_t Pressure::total_us(uint64_t now_us) const {
  const uint64_t total = total_us_.load(std::memory_order_relaxed);
  const uint64_t word = stalled_.load(std::memory_order_relaxed);
  const uint64_t since = word & (kOneThread - 1);
  const uint64_t now = now_us & (kOneThread - 1);
  return word < kOneThread || now < since ? total : total + (now - since);
}

PressureAverages Pressure::averages(uint64_t now_us) {
  advance(now_us);
  return read_averages();
}

PressureAverages Pressure::read_averages() const {
  PressureAverages averages = unpack(averages_.load(std::memory_order_relaxed));
  averages.over_300s = over_300s_.load(std::memory_order_relaxed);
  return averages;
}

void Pressure::advance(uint64_t now_us) {
  uint64_t seen = averaged_at_.load(std::memory_order_relaxed);
  const uint64_t at = seen >> 1;
  if (seen == 0 || (seen & 1) != 0 || now_us < at + PressureAverages::kPeriodUs) return;
  // The busy bit: a thread that loses leaves the work to the other. Acquire: pairs with the release below.
  if (!averaged_at_.compare_exchange_strong(seen, seen | 1, std::memory_order_acquire)) return;
  const uint64_t total = total_us(now_us);
  const uint64_t before = averaged_total_us_.load(std::memory_order_relaxed);
  const uint64_t stalled = total > before ? total - before : 0;
  const PressureAverages averages = read_averages().advanced(now_us - at, stalled);
  averages_.store(pack(averages), std::memory_order_relaxed);
  over_300s_.store(averages.over_300s, std::memory_order_relaxed);
  averaged_total_us_.store(total > before ? total : before, std::memory_order_relaxed);
  averaged_at_.store(now_us << 1, std::memory_order_release);
}

void Pressure::forget_threads(uint64_t now_us) {
  total_us_.store(total_us(now_us), std::memory_order_relaxed);
  stalled_.store(0, std::memory_order_relaxed);
  averaged_at_.fetch_and(~uint64_t{1}, std::memory_order_relaxed);
}

// The frame is in the list only while the stall is counted at all levels, so that a fork in between loses a stall and does not keep one for
// ever.
StallScope::StallScope(Tenant& tenant) : UnderWay(kKind), tenant_(tenant.pin_nearest()) {
  begin_stall(tenant_, monotonic_us());
  begin();
}

// A tenant that went meanwhile has no state any more, and in a new tenant's state no stall has begun.
StallScope::~StallScope() {
  end();
  const uint64_t now = monotonic_us();
  grace::ReadSection section;
  for (Tenant* t = &tenant_.nearest_online(); t != nullptr; t = t->parent()) {
    if (ReclaimState* state = find_reclaim_state(*t)) state->pressure.end(now);
    show_stall(*t);
  }
  tenant_.unpin();
}

void pressure_after_fork_child() {
  // The clock need not be read if no thread has ever waited. Reading the clock costs two faults in each child.
  if (root_tenant.context.load(std::memory_order_relaxed) == nullptr &&
      !find_reclaim_state(root_tenant)->pressure.has_begun())
    return;
  const uint64_t now = monotonic_us();
  forget_stalled_threads(now);
  for_each_under_way<StallScope>([now](StallScope& own) { begin_stall(own.tenant(), now); });
}

PressureReport pressure_of(Tenant& tenant) {
  const uint64_t now = monotonic_us();
  grace::ReadSection section;
  ReclaimState* const state = tenant.online() ? find_reclaim_state(tenant) : nullptr;
  if (state == nullptr) return {};
  const PressureAverages averages = state->pressure.averages(now);
  const auto rounded = [](uint32_t value) {
    return (value + PressureAverages::kOne / 2) / PressureAverages::kOne;
  };
  return {state->pressure.total_us(now), rounded(averages.over_10s), rounded(averages.over_60s),
          rounded(averages.over_300s)};
}

}  // namespace tenure
