// The shrinkers' part of reclaim: who in a subtree gives how much. docs/reclaim.md has the rules.
#pragma once

#include <cstddef>
#include <cstdint>

#include "accounting/counters/page_counter.h"

namespace tenure {

struct Tenant;

// How much of each tenant reclaim on behalf of `top` may take: what it, and each tenant on the way
// to `top`, has above its effective protection. Remembers what it has computed for the last tenants
// of each level, so that a walk in tree order costs one look at all siblings for each parent. For
// one read section.
class Room {
public:
  struct Bytes {
    uint64_t above_low = kUnlimited;  // Respecting low and min.
    uint64_t above_min = kUnlimited;  // Respecting min alone.
  };

  explicit Room(const Tenant& top) : top_(top) {}

  // `tenant`: top (unlimited) or below.
  Bytes of(const Tenant& tenant);
  // The tenant's usage without its subtree's.
  static uint64_t own_usage(const Tenant& tenant);

private:
  struct Level {
    const Tenant* tenant = nullptr;
    uint64_t effective_min = 0, effective_low = 0;
    Bytes room;  // On the way from top to here.
    // The claims of all children of `parent`.
    const Tenant* parent = nullptr;
    uint64_t min_claims = 0, low_claims = 0;
  };
  static void look_at_siblings(Level& level, const Tenant& parent);

  const Tenant& top_;
  Level levels_[kDeepest];  // By depth.
};

// The hook of ReclaimHooks: lets shrinkers take at least `bytes` from the subtree, if they can.
// Returns what was uncharged. Runs user code.
size_t shrink_subtree(Tenant& top, size_t bytes);

// How the hook gives back what the objects that went have left in caches: for the allocator, once,
// at bootstrap. Empties the caches of one tenant; returns bytes uncharged.
void register_empty_caches(size_t (*empty_caches)(Tenant& tenant));

}  // namespace tenure
