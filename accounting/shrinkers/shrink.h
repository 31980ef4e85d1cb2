// The shrinkers' part of reclaim: the share of each tenant in a subtree. docs/reclaim.md has the rules.
#pragma once

#include <cstddef>
#include <cstdint>

#include "accounting/counters/page_counter.h"

namespace tenure {

struct Tenant;

// The room of each tenant: the bytes that reclaim on behalf of `top` may take. It is the usage of the tenant, and of each tenant on the way
// to `top`, above its effective protection. The object caches the results for the last tenants of each level, so that a walk in tree order
// looks at all siblings once for each parent. For one read section.
class Room {
public:
  struct Bytes {
    uint64_t above_low = kUnlimited;  // Respects low and min.
    uint64_t above_min = kUnlimited;  // Respects only min.
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

// The hook of ReclaimHooks: makes shrinkers free at least `bytes` in the subtree, if possible. Returns the bytes uncharged. Runs user code.
size_t shrink_subtree(Tenant& top, size_t bytes);

// Registers the function that empties the caches of one tenant and returns the bytes uncharged. The hook calls it for the freed objects
// that are still in caches. The allocator registers it once, at bootstrap.
void register_empty_caches(size_t (*empty_caches)(Tenant& tenant));

}  // namespace tenure
