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

// Runs one stage for the subtree of `top`, which is pinned. Not in a read section. Does nothing if this thread is in reclaim already,
// because an allocation of a shrinker must not shrink again. Returns the hook's result.
//
// kReap is left out if the thread holds a lock of the library: in a visit of dead contexts, or in a signal handler that interrupted a
// control operation.
//
// kShrink runs user code, so it is also left out if the thread holds a lock of the library, is in a read section, or charges already: in
// all these cases a signal handler has interrupted the library. A handler that has interrupted the program itself cannot be told from the
// program, so shrinkers run there (docs/reclaim.md).
size_t reclaim(Tenant& top, size_t bytes, ReclaimStage stage);

// Notifies the helper, which reclaims in the background.
void tell_above_high(Tenant& tenant);
void tell_failure(Tenant& tenant, const Refusal& refusal);

// Whether this thread runs one of the hooks, shrinkers included.
bool in_reclaim();
// The work of this thread during the lifetime of the object. So a hook measures its own success while other threads go on charging. Work of
// signal handlers counts as well, and a count may miss one.
class Achievement : public UnderWay {
public:
  static constexpr Kind kKind = Kind::kAchievement;
  Achievement() : UnderWay(kKind) { begin(); }
  ~Achievement() { end(); }
  Achievement(const Achievement&) = delete;
  Achievement& operator=(const Achievement&) = delete;

  // Bytes that this thread has uncharged.
  uint64_t uncharged() const { return uncharged_; }
  // Bytes of runs that this thread has given back to the page heap, whichever tenant paid for them.
  uint64_t released() const { return released_; }

private:
  friend void count_uncharged(uint64_t bytes);
  friend void count_released(uint64_t bytes);
  uint64_t uncharged_ = 0;
  uint64_t released_ = 0;
};
void count_uncharged(uint64_t bytes);
void count_released(uint64_t bytes);

// This thread is charging during the lifetime of the object.
class ChargingScope {
public:
  ChargingScope();
  ~ChargingScope();
  ChargingScope(const ChargingScope&) = delete;
  ChargingScope& operator=(const ChargingScope&) = delete;

private:
  const uint8_t outer_;
};

// During the lifetime of the object, charges of this thread that do not fit are refused without events, failures, reclaim, reserve or
// policy. For optional memory.
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

// Purges, reaps, then shrinks, until the tenant's usage is at most `target` bytes or no stage frees more. For limits set below the present
// usage, and for checkpoints above high. Returns the bytes freed. The thread that sets a limit does not count as stalled, because the
// tenant's pressure shows the tenant's own lack of memory.
enum class ReclaimFor : uint8_t { kTenant, kNewLimit };
size_t reclaim_to(Tenant& top, size_t target, ReclaimFor whom);

}  // namespace tenure
