// Room accounting/pressure: reclaim's stages, stall times, events. It calls tenants and callbacks, and the hooks do the work. It
// promises that no stage runs inside itself, and that the malloc path runs no handler.
//
// The stages that are tried before a charge fails, in order. The hooks do the work (accounting/hooks.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "accounting/hooks.h"

#include "accounting/tenants/under_way.h"
namespace tenure {

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
// The doings of this thread during the life of the object: so a hook measures its own success while others go on charging. Signal handlers
// count as well, and a count may miss one.
class Achievement : public UnderWay {
public:
  static constexpr Kind kKind = Kind::kAchievement;
  Achievement() : UnderWay(kKind) { begin(); }
  ~Achievement() { end(); }
  Achievement(const Achievement&) = delete;
  Achievement& operator=(const Achievement&) = delete;

  // Bytes that this thread has uncharged.
  uint64_t uncharged() const { return uncharged_; }
  // Bytes of runs that this thread has given back to the page heap, whoever paid for them.
  uint64_t released() const { return released_; }

private:
  friend void count_uncharged(uint64_t bytes);
  friend void count_released(uint64_t bytes);
  uint64_t uncharged_ = 0;
  uint64_t released_ = 0;
};
void count_uncharged(uint64_t bytes);
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
// limits set below the present usage, and for checkpoints above high. Returns the bytes freed. The setter of a limit is not stalled: the
// tenant's pressure is to tell of its own want of memory.
enum class ReclaimFor : uint8_t { kTenant, kNewLimit };
size_t reclaim_to(Tenant& top, size_t target, ReclaimFor whom);

}  // namespace tenure
