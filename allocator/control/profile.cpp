#include "allocator/control/profile.h"

#include <errno.h>

#include "accounting/hooks.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/tenant_heap.h"
#include "allocator/fronts/depots.h"
#include "allocator/fronts/drain.h"
#include "allocator/fronts/sampler.h"
#include "allocator/heap/bootstrap.h"
#include "allocator/slabs/family.h"

namespace tenure {
namespace {

void empty_depots(Cache& cache) {
  for_each_depot(cache, [&cache](Depot& depot) {
    // No more than there are now: others may fill it meanwhile.
    for (uint32_t left = depot.size(); left > 0 && !depot.empty(); --left) {
      const ChainWord chain = pop_chain(cache, depot);
      if (!has_objects(chain)) break;
      give_to_slabs(cache, chain);
    }
  });
}

// Lists and chains of before end in the open word: they go to their slabs. Those that slow steps have in hand just now remain; the first
// sample of their class mends what is left of them (install_before_point() in heap.cpp).
void empty_lists_of(Tenant& tenant) {
  Cache* caches[kDrainMost];
  uint32_t count = 0;
  const auto drain = [&] {
    // A push that had loaded an open word before it was closed is found by the second.
    for (int i = 0; i < 2; ++i) drain_caches(caches, count, DrainTo::kAnew, Fences::kAny);
    count = 0;
  };
  for_each_cache_of(tenant, [&](Cache& cache) {
    empty_depots(cache);
    if (cache.front_slot.load(std::memory_order_relaxed) == 0) return;
    caches[count++] = &cache;
    if (count == kDrainMost) drain();
  });
  drain();
}

}  // namespace

int start_profile(uint64_t mean) {
  if (mean < kSmallestMean || mean > kLargestMean) return -EINVAL;
  if (!bootstrap()) return -ENOMEM;
  report_at_limit.store(report_largest_sites, std::memory_order_release);
  const bool before = is_sampling();
  if (!start_sampling(mean)) return -ENOMEM;
  if (before || !arena.rseq) return 0;
  grace::ReadSection section;
  for_each_in_subtree(root_tenant, [](Tenant& tenant) {
    empty_lists_of(tenant);
    return true;
  });
  return 0;
}

void stop_profile() {
  sampling_for_listeners.store(false, std::memory_order_relaxed);
  stop_sampling();
}

uint64_t profile_mean() { return is_sampling() ? sampler.mean.load(std::memory_order_relaxed) : 0; }

// Relaxed: the helper's turns alone write it but for stop_profile(), after which the next turn looks anew.
constinit std::atomic<bool> sampling_for_listeners{false};

void begin_or_end_for_listeners() {
  if (!has_sample_listeners()) return stop_profile();
  if (is_sampling()) return;  // A profile that was begun otherwise serves them as well.
  const uint64_t mean = sampler.mean.load(std::memory_order_relaxed);
  if (start_profile(mean != 0 ? mean : kUsualMean) == 0)
    sampling_for_listeners.store(true, std::memory_order_relaxed);
}

}  // namespace tenure
