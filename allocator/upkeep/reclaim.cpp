#include "allocator/upkeep/reclaim.h"

#include <time.h>

#include "accounting/pressure/reclaim.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/dead_caches.h"
#include "allocator/caches/tenant_heap.h"
#include "allocator/fronts/depots.h"
#include "allocator/upkeep/helper.h"
#include "allocator/upkeep/idle_slabs.h"
#include "allocator/upkeep/process_limit.h"
#include "allocator/upkeep/run_stash.h"

namespace tenure {
namespace {

// Chains in depots are memory that other classes cannot use. Before the heap grows they may be this share of it.
constexpr size_t kSurplusShare = 32;
constexpr size_t kSurplusAllowed = kMiB;
// Free objects of dead caches that go back in one step: more than the run holds for which the heap would grow; some hundred
// microseconds where none of them is in a processor's caches.
constexpr size_t kObjectsBeforeGrowth = 1024;

// Free memory of a process without a helper, cold chains included: no more may stay if it falls idle right now.
constexpr size_t kFreeKept = 24 * kMiB;
constexpr size_t kFreeShare = 16;

size_t depot_bytes(const Cache& cache) {
  return size_t{chains_in_depots(cache)} * cache.limit * cache.object_size;
}

// Halves the depots if they hold too much of the heap.
void return_surplus() {
  size_t held = 0;
  for (const Cache& cache : root_caches) held += depot_bytes(cache);
  if (held <= kSurplusAllowed || held <= arena.page_heap.stats().used_bytes / kSurplusShare) return;
  for (Cache& cache : root_caches) flush_depots(cache, (chains_in_depots(cache) + 1) / 2);
}

void empty_caches() {
  for_each_in_subtree(root_tenant, [](Tenant& tenant) {
    empty_tenant_caches(tenant);
    return true;
  });
}

}  // namespace

uint32_t coarse_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return static_cast<uint32_t>(t.tv_sec * 1000 + t.tv_nsec / 1000000) | 1;
}

// Without what there is to reuse.
TENURE_SLOW Run allocate_growing(uint32_t granules, uint32_t alignment, Fill fill,
                                 ProcessCharge& charge, Occasion occasion) {
  empty_stashes_before_growth();
  empty_dead_caches(root_tenant, size_t{granules} * kGranuleSize, kObjectsBeforeGrowth);
  return_surplus();
  Run run = arena.page_heap.allocate(granules, alignment, fill, Growth::kOpen, &charge);
  if (!run && !charge.refused()) {
    trim();
    run = arena.page_heap.allocate(granules, alignment, fill, Growth::kOpen, &charge);
  }
  LimitTurn turn(charge, occasion);
  while (!run && charge.refused() && turn.make_room())
    run = arena.page_heap.allocate(granules, alignment, fill, Growth::kOpen, &charge);
  return run;
}

Run allocate_run(uint32_t granules, uint32_t alignment, Fill fill, Occasion occasion,
                 RequestKind kind, size_t moved) {
  ProcessCharge charge(kind, moved);
  Run run = arena.page_heap.allocate(granules, alignment, fill, Growth::kReuse, &charge);
  if (!run) run = allocate_growing(granules, alignment, fill, charge, occasion);
  if (run.grown) {
    LimitTurn(charge, occasion).finish();
    look_at_pressure(occasion, size_t{granules} * kGranuleSize);
  }
  return run;
}

Run allocate_growable_run(uint32_t granules, Occasion occasion) {
  // It doubles twice, or in small steps for as long.
  constexpr uint32_t kRoom = 4;
  ProcessCharge charge(RequestKind::kLarge, 0);
  const Run run = arena.page_heap.allocate_with_room(granules, kRoom * granules, &charge);
  if (!run) return allocate_run(granules, 1, Fill::kAny, occasion);
  if (run.grown) {
    LimitTurn(charge, occasion).finish();
    look_at_pressure(occasion, size_t{granules} * kGranuleSize);
  }
  return run;
}

void release_run(uint32_t granule, uint32_t granules, bool clear) {
  void* const base = arena.page_heap.address(granule);
  const size_t bytes = size_t{granules} * kGranuleSize;
  count_released(bytes);
  const bool purged = (clear || arena.settings.decay_ms == 0) && os::purge(base, bytes);
  if (clear && !purged) __builtin_memset(base, 0, bytes);
  // The look at the decay also sees to the marks of the hardened level, so it has to come by here.
  const bool done = purged && (!arena.hardened || arena.settings.decay_ms == 0);
  arena.page_heap.release(granule, granules, done);
}

void pay_for_free_pages(size_t bytes) {
  if (helper_works() || arena.settings.decay_ms <= 0) return;
  PageHeap& heap = arena.page_heap;
  const size_t free = heap.free_bytes() + cold_bytes();
  const size_t share = heap.resident_bytes() / kFreeShare;
  const size_t kept = share > kFreeKept ? share : kFreeKept;
  // A stretch at a time: a system call for each run would cost as much again.
  if (free < kept + kStretchSize) return;
  const size_t excess = free - kept, due = bytes + kStretchSize / 2;
  heap.purge_free(excess < due ? excess : due);
}

size_t trim() {
  empty_stashes();
  empty_caches();
  empty_dead_caches(root_tenant, SIZE_MAX, SIZE_MAX);
  return arena.page_heap.purge_free(SIZE_MAX);
}

size_t trim_all() {
  const size_t bytes = trim();
  return bytes + collect_slabs(SIZE_MAX, SIZE_MAX);
}

}  // namespace tenure
