// What is tried before a charge fails: callbacks of the layers above, in order.
#pragma once

#include <cstddef>

namespace tenure {

struct Tenant;

struct ReclaimHooks {
  // Gives back what the subtree of `top` caches (fronts, depots, empty slabs): at least `bytes` if
  // it can. Returns the bytes uncharged. Runs inside malloc, perhaps in a signal handler:
  // lock-free.
  size_t (*purge_caches)(Tenant& top, size_t bytes) = nullptr;
  // Has the LRUs of the subtree drop objects, respecting protection. Runs user code: the hook
  // itself must see to it that it does nothing in signal handlers.
  size_t (*shrink)(Tenant& top, size_t bytes) = nullptr;
};

// Once, at bootstrap, before the second thread.
void register_reclaim_hooks(const ReclaimHooks& hooks);

enum class ReclaimStage { kPurge, kShrink };
constexpr ReclaimStage kReclaimStages[] = {ReclaimStage::kPurge, ReclaimStage::kShrink};

// Runs one stage for the subtree of `top`, which is pinned. Not in a read section. Does nothing
// when this thread is in reclaim already (what a shrinker allocates must not shrink again). Returns
// what the hook does.
size_t reclaim(Tenant& top, size_t bytes, ReclaimStage stage);

// Purges, then shrinks, until the tenant is at most `target` bytes or nothing gives any more: for
// limits set below the present usage, and for checkpoints above high. Returns what was freed.
size_t reclaim_to(Tenant& top, size_t target);

}  // namespace tenure
