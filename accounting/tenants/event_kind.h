// The kinds of events that a tenant counts at its limits.
#pragma once

#include <cstdint>

namespace tenure {

struct Tenant;

enum class EventKind : uint8_t {
  kLow,       // Reclaim took memory below the tenant's low protection.
  kHigh,      // Usage went above high.
  kMax,       // A charge met max, before reclaim.
  kOverdraw,  // A charge was granted above max by policy.
  kAbort,     // Policy abort was about to end the process.
};
constexpr unsigned kEventKinds = 5;
constexpr uint32_t bit_of(EventKind kind) { return 1u << static_cast<unsigned>(kind); }

using EventHandler = void (*)(Tenant& tenant, EventKind kind, void* argument);

}  // namespace tenure
