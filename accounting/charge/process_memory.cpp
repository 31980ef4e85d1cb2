#include "accounting/charge/process_memory.h"

#include <time.h>

#include "accounting/tenants/tenant.h"
#include "base/memory/os_memory.h"
#include "base/words/attributes.h"
#include "live/region.h"

namespace tenure {

constinit PageCounter process_memory;

namespace {

// base/options/settings.cpp has the words.
static_assert(static_cast<int>(Policy::kFailLarge) == 0 &&
              static_cast<int>(Policy::kFailAll) == 1 && static_cast<int>(Policy::kObserve) == 2 &&
              static_cast<int>(Policy::kEvent) == 3 && static_cast<int>(Policy::kAbort) == 4);
static_assert(kLongestText > kLongestName);

constinit bool mappings_count = false;  // Constant after limit_process().

// Bytes of `process_memory` for resident memory that was not requested. Never more than the charge for it: raised after the charge, lowered
// before the uncharge. Relaxed: it publishes nothing.
constinit std::atomic<uint64_t> beside{0};
constinit std::atomic<int64_t> mapped_bytes{0};  // Reports only: relaxed.

constexpr uint64_t kAskedBetweenLooks = 1 << 20;
// Relaxed: they only choose the time of a look.
constinit std::atomic<uint64_t> last_look{0};
constinit std::atomic<uint64_t> asked_since_look{0};

uint64_t limit_of(int64_t setting) {
  return setting == 0 ? kUnlimited : static_cast<uint64_t>(setting);
}

uint64_t unlimited(const PageCounter&, const void*) { return kUnlimited; }

bool is_limited() {
  return process_memory.max() != kUnlimited || process_memory.high() != kUnlimited;
}

uint64_t coarse_tick() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000 + static_cast<uint64_t>(t.tv_nsec);
}

void raise_beside(uint64_t bytes) {
  charge_process_anyway(bytes);
  beside.fetch_add(bytes, std::memory_order_relaxed);
}

void lower_beside(uint64_t bytes) {
  uint64_t seen = beside.load(std::memory_order_relaxed);
  uint64_t taken;
  do {
    taken = seen < bytes ? seen : bytes;
  } while (!beside.compare_exchange_weak(seen, seen - taken, std::memory_order_relaxed));
  uncharge_process(taken);
}

}  // namespace

void limit_process(const Settings& settings) {
  root_tenant.set_max(limit_of(settings.max));
  root_tenant.counter.set_high(limit_of(settings.high));
  follow_root_limits();
  root_tenant.set_policy(static_cast<Policy>(settings.policy));
  name_root(settings.name);
  const bool limited = settings.max != 0 || settings.high != 0;
  const auto mode = static_cast<MappedMode>(settings.mapped);
  mappings_count = mode == MappedMode::kOn || (mode == MappedMode::kAuto && limited);
}

void follow_root_limits() {
  const uint64_t max = root_tenant.counter.max(), high = root_tenant.counter.high();
  if (process_memory.max() != max) process_memory.set_max(max);
  if (process_memory.high() != high) process_memory.set_high(high);
}

bool counts_mappings() { return mappings_count; }

void charge_process_anyway(uint64_t bytes) {
  if (bytes != 0) process_memory.try_charge(bytes, {unlimited, nullptr});
}

TENURE_SLOW void look_at_resident_now() {
  if (!mappings_count || !is_limited()) return;
  const uint64_t resident = os::resident_anonymous();
  if (resident == 0) return;  // Not available: /proc is missing, or a filter prevents the read.
  const uint64_t usage = process_memory.usage();
  const uint64_t now = beside.load(std::memory_order_relaxed);
  const uint64_t asked_for = usage > now ? usage - now : 0;
  const uint64_t wanted = resident > asked_for ? resident - asked_for : 0;
  if (wanted > now) raise_beside(wanted - now);
  if (wanted < now) lower_beside(now - wanted);
}

void look_at_resident(uint64_t coming) {
  if (!mappings_count || !is_limited()) return;
  const uint64_t asked = asked_since_look.fetch_add(coming, std::memory_order_relaxed) + coming;
  const uint64_t now = coarse_tick();
  if (asked < kAskedBetweenLooks && last_look.load(std::memory_order_relaxed) == now) return;
  last_look.store(now, std::memory_order_relaxed);
  asked_since_look.store(0, std::memory_order_relaxed);
  look_at_resident_now();
}

uint64_t charged_beside() { return beside.load(std::memory_order_relaxed); }

void count_mapped(int64_t bytes) { mapped_bytes.fetch_add(bytes, std::memory_order_relaxed); }

uint64_t charged_for_mappings() {
  const int64_t bytes = mapped_bytes.load(std::memory_order_relaxed);
  return bytes > 0 ? static_cast<uint64_t>(bytes) : 0;
}

void show_process_memory() {
  // A fork child that has no region of its own yet must not write to its parent's.
  if (!live::is_open() || !live::is_ours()) return;
  const auto show = [](uint64_t& field, uint64_t value) {
    std::atomic_ref(field).store(value,
                                 std::memory_order_relaxed);  // Relaxed: only figures.
  };
  live::Header& shown = live::header();
  show(shown.process_usage, process_memory.usage());
  show(shown.process_peak, process_memory.peak());
  show(shown.process_mapped, charged_for_mappings());
}

void mend_process_memory(uint64_t heap, uint64_t mapped) {
  mapped_bytes.store(static_cast<int64_t>(mapped), std::memory_order_relaxed);
  process_memory.mend(heap + mapped + charged_beside());
}

}  // namespace tenure
