// The calls that run up: a lower room makes them, and a higher room does the work. Every other call leads down
// (docs/architecture.md has the rooms).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "accounting/counters/policy.h"
#include "allocator/pages/page_heap.h"
#include "base/system/probes.h"
#include "base/words/attributes.h"
#include "base/words/chain_word.h"
#include "live/request_box.h"

namespace tenure {

struct Tenant;

// --- slabs -> upkeep/reclaim.cpp: pages for a slab may take reclaim.

// The occasion of a look decides on what may run there. Shrinkers may wait for locks under which the root's memory is allocated, but none under
// which a tenant's is (docs/reclaim.md), so malloc runs them for tenants only, and of the control operations only that which may
// wait anyway. Reaping takes tenants_mutex: not in malloc.
enum class Occasion : uint8_t { kMallocForRoot, kControl, kMallocForTenant, kCheckpoint };
constexpr bool may_shrink(Occasion occasion) { return occasion >= Occasion::kMallocForTenant; }
constexpr bool may_reap(Occasion occasion) {
  return occasion == Occasion::kControl || occasion == Occasion::kCheckpoint;
}

// A run from the page heap. Before the heap grows, surplus chains go back from the depots to their slabs; where memory is exhausted, all
// cached objects do, and it is tried once more.
// Where it is fresh memory, a look is taken at the pressure of the process, and it is charged to the process: `kind` of request; `moved`
// bytes of the heap go when the run has come (accounting/charge/process_charge.h).
Run allocate_run(uint32_t granules, uint32_t alignment, Fill fill, Occasion occasion,
                 RequestKind kind = RequestKind::kLarge, size_t moved = 0);
// The same for a buffer that is being lengthened, and likely to be again: where there is memory, with room behind it.
Run allocate_growable_run(uint32_t granules, Occasion occasion);
// Gives a run back; with decay_ms=0 its pages return to the system at once. `clear`: nobody may read what it holds.
void release_run(uint32_t granule, uint32_t granules, bool clear = false);

// Called where `bytes` have just become free pages: where the process has no helper that would see to it, what is free beyond
// kFreeKept (or a share of the heap) returns to the system; so many bytes of it, and a stretch more.
void pay_for_free_pages(size_t bytes);

// --- slabs -> fronts/charge_stock.cpp: the charge of an isolated tenant's slab.

// because of them. Whether there is room now.
bool make_room_of_stocks(const Tenant& tenant, uint64_t bytes);

// --- fronts -> upkeep/helper.cpp: memory has left the fronts.

// The helper's sleep. kUntilCalled: for as long as nobody frees anything.
enum HelperSleep : uint32_t { kAwake, kUntilTurn, kUntilCalled };
extern constinit std::atomic<uint32_t> helper_sleep;
TENURE_SLOW void wake_helper_slow();
// Called where memory leaves the fronts. Relaxed: a call that is missed is made up for by the next, or by the helper's own look
// after some seconds.
inline void wake_helper() {
  if (TENURE_UNLIKELY(helper_sleep.load(std::memory_order_relaxed) == kUntilCalled))
    wake_helper_slow();
}

// --- upkeep/run_stash.cpp -> heap/large.cpp: a stashed run is given up.

// Gives the run of descriptor `number` back without looking at the decay.
void release_large(uint32_t number);

// --- slabs -> heap/sampled_lists.cpp: a list made before objects were sampled.

// Makes the chain, which the caller holds, end in the sentinel. As many steps as it has objects.
void end_in_sentinel(ChainWord chain, uint16_t limit);

// --- upkeep -> control/live_requests.cpp: requests by the live region (docs/live.md).

// The place where requests are served decides on what may be done. A slow path of malloc or free takes no lock for which it would wait. Neither it nor the helper runs
// shrinkers, which are the program's.
enum class ServedBy : unsigned char { kMalloc, kHelper, kControl };

TENURE_SLOW void serve_live_requests(ServedBy by);
// On slow paths. One load where there is no region.
inline void poll_live_requests(ServedBy by) {
  if (TENURE_UNLIKELY(live::requests_waiting())) serve_live_requests(by);
}

// --- upkeep/helper.cpp -> control/profile.cpp: listeners of the probes of sampled objects (base/system/probes.h).

// Samples while somebody listens, where nobody has begun a profile. In the helper's turns.
TENURE_SLOW void begin_or_end_for_listeners();
extern constinit std::atomic<bool> sampling_for_listeners;
inline bool has_sample_listeners() {
  return probes::listens(probes::tenure_probe_otel_alloc) ||
         probes::listens(probes::tenure_probe_sample);
}
inline void follow_listeners() {
  if (TENURE_UNLIKELY(has_sample_listeners() !=
                      sampling_for_listeners.load(std::memory_order_relaxed)))
    begin_or_end_for_listeners();
}

}  // namespace tenure
