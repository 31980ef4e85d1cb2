#include "allocator/heap/pool.h"

#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/promotion.h"
#include "allocator/heap/pool_path.h"
#include "allocator/heap/sampled_lists.h"
#include "allocator/heap/sampled_objects.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/sampling.h"

namespace tenure {

void* allocate_unlisted(Tenant& tenant, CacheFamily& family, OwnerTag tag) {
  Cache& pool = *family.pool;
  if (TENURE_UNLIKELY(is_sampling())) {
    if (void* object = swap_before_point(pool)) return own_pooled(object, tag);
    if (void* object = sample_pooled(tenant, family, tag)) return object;
  }
  consider_promotion(tenant, family);
  void* const object = take_from(pool);
  if (object == nullptr) {
    uncharge_to_stock(tag, pool.object_size);
    return nullptr;
  }
  return own_pooled(object, tag);
}

void* allocate_pooled(Tenant& tenant, CacheFamily& family) {
  Cache& pool = *family.pool;
  const AccountingContext* context = pay_from_stock(tenant, pool.object_size);
  if (context == nullptr) {
    context = charge_with_stock(tenant, pool.object_size, RequestKind::kSmall);
    if (context == nullptr) return nullptr;
  }
  return allocate_unlisted(tenant, family, tag_of(*context));
}

void* own_pooled(void* object, OwnerTag tag) {
  const uint64_t at = in_arena(object);
  const uint32_t number =
      hot.entries[at >> kGranuleShift].descriptor.load(std::memory_order_relaxed);
  const RunDescriptor& slab = hot.descriptors[number];
  const uint64_t offset = at - (uint64_t{slab.granule} << kGranuleShift);
  // Relaxed: as in own_quickly().
  slab.tags[object_index(slab, offset).index].store(tag, std::memory_order_relaxed);
  return object;
}

void free_pooled(const RunDescriptor& slab, uint32_t index, void* object) {
  const OwnerTag tag = take_tag(slab.tags[index], object);
  if (!give_to_stock(tag, slab.object_size)) return free_untagged(*slab.cache, tag, object);
  deallocate_into(*slab.cache, object);
}

void free_untagged(Cache& pool, OwnerTag tag, void* object) {
  uncharge_to_stock(tag, pool.object_size);
  deallocate_into(pool, object);
}

}  // namespace tenure
