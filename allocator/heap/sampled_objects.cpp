#include "allocator/heap/sampled_objects.h"

#include "allocator/fronts/sampler.h"
#include "allocator/heap/heap.h"
#include "allocator/heap/live_samples.h"
#include "allocator/heap/pool_path.h"
#include "allocator/heap/profile_sites.h"
#include "allocator/heap/sampled_lists.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/family.h"
#include "allocator/slabs/found_object.h"
#include "allocator/slabs/misuse.h"
#include "base/system/probes.h"
#include "base/words/exponential.h"

namespace tenure {

constinit Cache sampled_root_caches[kClassCount], sampled_pool_caches[kClassCount];

namespace {

// The stand-in for an object in use that got no live sample.
constexpr uint32_t kNoSample = UINT32_MAX;

std::atomic<uint32_t>& sample_of(const RunDescriptor& slab, uint32_t index) {
  return slab.tags[slab.capacity + index];
}

// Whether the next point lies in the cache's next object, which passes it. Objects in malloc's list were passed with the list.
bool is_due(const Cache& cache) {
  const uint32_t slot = cache.front_slot.load(std::memory_order_relaxed);
  const Front front(cache);
  if (front && front.by_rseq() && has_objects(front.load(Front::kAllocWord))) return false;
  return SamplingPoint(slot).pass(cache.object_size);
}

void tell_listeners(const void* object, const ProfileSite& site) {
  using namespace probes;
  if (!listens(tenure_probe_otel_alloc) && !listens(tenure_probe_sample)) return;
  const auto size = static_cast<double>(site.size);
  const double p = probability_of_point(size, static_cast<double>(site.mean));
  // Rounding functions are in libm. NOLINTNEXTLINE(bugprone-incorrect-roundings)
  const auto weighted = static_cast<uint64_t>(size / p + .5);
  if (listens(tenure_probe_otel_alloc)) fire_otel_alloc(object, site.size, weighted);
  if (listens(tenure_probe_sample))
    fire_sample(object, site.size, weighted, site.tenant->id, site.tenant->path);
}

uint32_t begin_sample_of(const void* object, const Tenant& tenant, uint64_t size, bool isolated) {
  ProfileSite* const site = find_site(tenant, size);
  const uint32_t number = take_sample(object, site, isolated);
  if (number != 0) tell_listeners(object, *site);
  return number;
}

bool end_sample_of(const void* object, uint32_t number) {
  if (probes::listens(probes::tenure_probe_otel_free)) probes::fire_otel_free(object);
  return end_sample(number);
}

// Has the object, which is of a slab for samples and the caller's, be the tenant's sample.
void begin_sample(void* object, const Tenant& tenant) {
  const Found found = find_object(object);
  const uint32_t number =
      begin_sample_of(object, tenant, found.run->object_size, is_isolated(tenant));
  // Relaxed: who frees the object got it from who allocated it.
  sample_of(*found.run, found.index)
      .store(number != 0 ? number : kNoSample, std::memory_order_relaxed);
}

void* sample_for_tenant(Tenant& tenant, CacheFamily& family, OwnerTag tag) {
  void* const object = take_from(*family.sampled_pool);
  if (object == nullptr) return nullptr;
  own_pooled(object, tag);
  begin_sample(object, tenant);
  return object;
}

}  // namespace

void* sample_from(Cache& cache) {
  CacheFamily& family = *cache.family;
  if (cache.sampled || cache.pooled || family.sampled_root == nullptr || !is_due(cache))
    return nullptr;
  if (cache.owner == &root_tenant) {
    void* const object = take_from(*family.sampled_root);
    if (object != nullptr) begin_sample(object, root_tenant);
    return object;
  }
  // As a pooled object, whatever the tenant has of its own.
  Tenant& tenant = *cache.owner;
  const AccountingContext* context = pay_from_stock(tenant, cache.object_size);
  if (context == nullptr)
    context = charge_with_stock(tenant, cache.object_size, RequestKind::kSmall);
  if (context == nullptr) return nullptr;
  const OwnerTag tag = tag_of(*context);
  void* const object = sample_for_tenant(tenant, family, tag);
  if (object == nullptr) uncharge_to_stock(tag, cache.object_size);
  return object;
}

void* sample_pooled(Tenant& tenant, CacheFamily& family, OwnerTag tag) {
  if (family.sampled_pool == nullptr || !is_due(*family.pool)) return nullptr;
  return sample_for_tenant(tenant, family, tag);
}

void forget_sample(const RunDescriptor& slab, uint32_t index, void* object) {
  const uint32_t number = sample_of(slab, index).exchange(0, std::memory_order_relaxed);
  if (number == 0) report_misuse(Misuse::kDoubleFree, object);
  if (number == kNoSample) return;
  // Slabs of samples are shared, also by tenants whose memory others must not see.
  if (end_sample_of(object, number)) __builtin_memset(object, 0, slab.object_size);
}

void consider_large(RunDescriptor& run, const Tenant& tenant) {
  forget_large(run);
  if (!is_sampling() || !SamplingPoint(0).pass(run.large_bytes)) return;
  run.sample = begin_sample_of(slab_base(run), tenant, run.large_bytes, false);
}

void forget_large(RunDescriptor& run) {
  if (run.sample == 0) return;
  end_sample_of(slab_base(run), run.sample);
  run.sample = 0;
}

void* allocate_from(Cache& cache) {
  if (TENURE_UNLIKELY(is_sampling())) {
    if (cache.owner == &root_tenant) {
      if (void* object = swap_before_point(cache)) return object;
    }
    if (void* object = sample_from(cache)) return object;
  }
  return take_from(cache);
}

}  // namespace tenure
