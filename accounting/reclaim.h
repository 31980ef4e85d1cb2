// What is tried before a charge fails: callbacks of the layers above, in order.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

struct Tenant;

// A request that was refused after all was tried.
struct Refusal {
  uint64_t bytes;
  unsigned shrinks;  // How often shrinkers were asked.
};

struct ReclaimHooks {
  // Gives back what the subtree of `top` caches (fronts, depots, empty slabs): at least `bytes` if
  // it can. Returns the bytes uncharged. Runs inside malloc, perhaps in a signal handler:
  // lock-free.
  size_t (*purge_caches)(Tenant& top, size_t bytes) = nullptr;
  // Has the LRUs of the subtree drop objects, respecting protection: accounting/shrink. Runs user
  // code.
  size_t (*shrink)(Tenant& top, size_t bytes) = nullptr;
  // Gives back what departed tenants have left in caches. Under tenants_mutex, for which it does not
  // wait: where that is held, whoever holds it reaps at its end. Not for malloc.
  size_t (*reap)(Tenant& top, size_t bytes) = nullptr;
  // Uncharges the bytes charged in advance in the subtree: nothing need be given up for them.
  void (*empty_stocks)(Tenant& top) = nullptr;
  // The tenant stays above high, though its caches were given up. Runs inside malloc, as purge_caches.
  void (*watch_above_high)(Tenant& tenant) = nullptr;
  // Leaves a report behind. Runs inside malloc, as purge_caches.
  void (*report_failure)(Tenant& tenant, const Refusal& refusal) = nullptr;
};

// Once, at bootstrap, before the second thread.
void register_reclaim_hooks(const ReclaimHooks& hooks);

enum class ReclaimStage { kPurge, kReap, kShrink };
constexpr ReclaimStage kReclaimStages[] = {ReclaimStage::kPurge, ReclaimStage::kReap,
                                           ReclaimStage::kShrink};

// Runs one stage for the subtree of `top`, which is pinned. Not in a read section. Does nothing
// when this thread is in reclaim already (what a shrinker allocates must not shrink again). Returns
// what the hook does.
//
// kReap is left out where the thread holds a lock of the library: in a visit of dead contexts, or a
// signal handler in a control operation.
//
// kShrink runs user code, so it is also left out where the thread holds a lock of the library, is
// in a read section, or charges already: all of these mean a signal handler that has interrupted
// the library. One that has interrupted the program itself cannot be told from the program; there
// shrinkers do run (docs/reclaim.md).
size_t reclaim(Tenant& top, size_t bytes, ReclaimStage stage);

// Tells who reclaims in the background.
void tell_above_high(Tenant& tenant);
void tell_failure(Tenant& tenant, const Refusal& refusal);

// Whether this thread runs one of the hooks, shrinkers included.
bool in_reclaim();
// Bytes this thread has uncharged so far: how a hook measures what it has achieved while others go
// on charging.
uint64_t uncharged_here();
void count_uncharged(uint64_t bytes);
// Bytes of runs this thread has given back to the page heap so far, whoever paid for them.
uint64_t released_here();
void count_released(uint64_t bytes);

// This thread is charging, for the length of the object.
class ChargingScope {
public:
  ChargingScope();
  ~ChargingScope();
  ChargingScope(const ChargingScope&) = delete;
  ChargingScope& operator=(const ChargingScope&) = delete;

private:
  const uint8_t outer_;
};

// This thread's charges are refused without events, failures, reclaim, reserve or policy, for the length of the object: for what can
// be done without.
class QuietScope {
public:
  QuietScope();
  ~QuietScope();
  QuietScope(const QuietScope&) = delete;
  QuietScope& operator=(const QuietScope&) = delete;

private:
  const bool outer_;
};
bool refuses_quietly();

// Purges, reaps, then shrinks, until the tenant is at most `target` bytes or nothing gives any more: for
// limits set below the present usage, and for checkpoints above high. Returns what was freed. Who sets a limit is not stalled: the
// tenant's pressure is to tell of its own want of memory.
enum class ReclaimFor : uint8_t { kTenant, kNewLimit };
size_t reclaim_to(Tenant& top, size_t target, ReclaimFor whom);

}  // namespace tenure
