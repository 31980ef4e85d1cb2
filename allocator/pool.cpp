#include "allocator/pool.h"

#include "accounting/tenant_tree.h"
#include "allocator/arena.h"
#include "allocator/pool_path.h"
#include "allocator/sampled_objects.h"
#include "allocator/sampler.h"

namespace tenure {

constinit Cache pool_caches[kClassCount];

void* allocate_unlisted(Tenant& tenant, CacheFamily& family, OwnerTag tag) {
  Cache& pool = *family.pool;
  if (TENURE_UNLIKELY(is_sampling())) {
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

void free_pooled(const RunDescriptor& slab, uint32_t index, void* object) {
  const OwnerTag tag = take_tag(slab, index, object);
  if (!give_to_stock(tag, slab.object_size)) return free_untagged(*slab.cache, tag, object);
  deallocate_into(*slab.cache, object);
}

void free_untagged(Cache& pool, OwnerTag tag, void* object) {
  uncharge_to_stock(tag, pool.object_size);
  deallocate_into(pool, object);
}

AccountingContext* payer_of(const RunDescriptor& run, const void* object) {
  if (run.kind != RunKind::kSlab) return run.context;
  if (!run.pooled()) return run.context ? run.context : run.cache->payer;
  const uint64_t offset =
      reinterpret_cast<uint64_t>(object) - reinterpret_cast<uint64_t>(slab_base(run));
  const OwnerTag tag = run.tags[object_index(run, offset).index].load(std::memory_order_relaxed);
  return is_owned(tag) ? &context_of(tag) : nullptr;
}

const Tenant* payer_to_name(const RunDescriptor& slab, uint32_t index) {
  const OwnerTag tag = slab.tags[index].load(std::memory_order_relaxed);
  if (tag == 0) return nullptr;
  const AccountingContext& context = context_of(tag & ~kFreedTag);
  if (is_owned(tag)) return context.tenant();
  // The context of a free object may be gone, and its memory another's: it is only compared with those that are there.
  const Tenant* payer = nullptr;
  for_each_in_subtree(root_tenant, [&](const Tenant& tenant) {
    if (tenant.context.load(std::memory_order_acquire) == &context) payer = &tenant;
    return payer == nullptr;
  });
  return payer;
}

size_t tagged_bytes(const RunDescriptor& slab) {
  if (!slab.pooled()) return 0;
  size_t tagged = 0;
  for (uint32_t i = 0; i < slab.capacity; ++i) {
    tagged += is_owned(slab.tags[i].load(std::memory_order_relaxed));
  }
  return tagged * slab.object_size;
}

}  // namespace tenure
