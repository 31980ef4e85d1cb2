#include "accounting/pressure/shown_stall.h"

#include "accounting/pressure/pressure.h"
#include "live/region.h"

namespace tenure {

void show_stall(Tenant& tenant) {
  ensure_own_counters();
  const uint32_t number = live::slot_of(tenant.counter.shown());
  if (number == live::kNoSlot) return;
  const PressureReport report = pressure_of(tenant);
  live::TenantSlot& slot = live::slot_at(number);
  const auto show = [](auto& field, auto value) {
    std::atomic_ref(field).store(value, std::memory_order_relaxed);
  };
  show(slot.some_us, report.total_us);
  show(slot.some[0], report.over_10s);
  show(slot.some[1], report.over_60s);
  show(slot.some[2], report.over_300s);
  std::atomic_ref(slot.stall_looked_us).store(monotonic_us(), std::memory_order_release);
}

}  // namespace tenure
