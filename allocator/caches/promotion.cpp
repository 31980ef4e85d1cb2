#include "allocator/caches/promotion.h"

#include "allocator/caches/tenant_heap.h"
#include "allocator/fronts/charge_stock.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/family.h"

namespace tenure {
namespace {

constexpr uint64_t kFewestSlabs = 2;
constexpr uint64_t kFewestObjects = 64;
constexpr uint64_t kWasteShare = 16;

uint64_t fewest_objects(const Cache& cache) {
  const uint64_t slabs = divide_up(kFewestObjects, uint64_t{cache.capacity});
  return (slabs < kFewestSlabs ? kFewestSlabs : slabs) * cache.capacity / kWasteShare *
         (kWasteShare - 1);
}

// Whether the tenant fills slabs of the cache. The look is taken where a list has run dry, so between two looks it may have a list more.
bool fills_slabs(const Cache& cache, uint64_t seen) {
  const uint64_t list = cache.limit < cache.capacity / 2 ? cache.limit : cache.capacity / 2;
  const uint64_t objects = seen + (cache.capacity < kFewestObjects ? 0 : list);
  const uint64_t slabs = divide_up(objects, uint64_t{cache.capacity});
  return objects >= fewest_objects(cache) &&
         objects * kWasteShare >= (kWasteShare - 1) * slabs * cache.capacity;
}

}  // namespace

// A slab that goes meanwhile leaves tags that say nothing of it: metadata stays readable, and this is an estimate.
TENURE_STALE_READ uint64_t RecentSlabs::count(const Cache& pool, uint32_t tag) const {
  constexpr uint32_t kMostTags = 8192;
  uint64_t found = 0, slabs = 0, tags = 0;
  for (const auto& noted : numbers_) {
    const uint32_t number = noted.load(std::memory_order_relaxed);
    const RunDescriptor& slab = arena.descriptors.at(number);
    if (number == 0 || slab.kind != RunKind::kSlab || slab.pooling == Pooling::kNone ||
        slab.cache != &pool || slab.state.load(std::memory_order_acquire).dead())
      continue;
    ++slabs;
    for (uint32_t i = 0; i < pool.capacity; ++i)
      found += slab.tags[i].load(std::memory_order_relaxed) == tag;
    if ((tags += pool.capacity) >= kMostTags) break;
  }
  constexpr uint64_t kFewestFound = 8;
  const uint64_t all = pool.slabs.load(std::memory_order_relaxed);
  if (all <= slabs) return found;
  return found < kFewestFound ? 0 : found * all / slabs;
}

void consider_promotion(Tenant& tenant, CacheFamily& family) {
  const Cache& pool = *family.pool;
  // Looked at first, as it costs nothing: what the tenant has in all.
  if (tenant.counter.usage() < fewest_objects(pool) * pool.object_size || !tenant.online()) return;
  const OwnerTag tag = tenant.tag.load(std::memory_order_acquire);
  if (tag == 0 || !family.patience.is_over()) return;
  const bool fills = fills_slabs(pool, family.recent.count(pool, tag));
  family.patience.note(fills);
  TenantHeap* const heap = fills ? make_heap(tenant) : nullptr;
  if (heap) prefer_own_cache(tenant, *heap, family);
}

}  // namespace tenure
