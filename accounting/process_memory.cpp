#include "accounting/process_memory.h"

#include "accounting/tenant.h"

namespace tenure {

constinit PageCounter process_memory;

namespace {

// base/settings.cpp has the words.
static_assert(static_cast<int>(Policy::kFailLarge) == 0 && static_cast<int>(Policy::kFailAll) == 1 &&
              static_cast<int>(Policy::kObserve) == 2 && static_cast<int>(Policy::kEvent) == 3 &&
              static_cast<int>(Policy::kAbort) == 4);
static_assert(kLongestText == kLongestName + 1);

uint64_t limit_of(int64_t setting) {
  return setting == 0 ? kUnlimited : static_cast<uint64_t>(setting);
}

uint64_t unlimited(const PageCounter&, const void*) { return kUnlimited; }

}  // namespace

void limit_process(const Settings& settings) {
  process_memory.set_max(limit_of(settings.max));
  process_memory.set_high(limit_of(settings.high));
  root_tenant.set_policy(static_cast<Policy>(settings.policy));
  name_root(settings.name);
}

bool counts_mappings(const Settings& settings) {
  if (settings.mapped != static_cast<int64_t>(MappedMode::kAuto))
    return settings.mapped == static_cast<int64_t>(MappedMode::kOn);
  return settings.max != 0 || settings.high != 0;
}

void charge_process_anyway(uint64_t bytes) {
  if (bytes != 0) process_memory.try_charge(bytes, {unlimited, nullptr});
}

}  // namespace tenure
