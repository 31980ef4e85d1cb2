#include "allocator/slabs/owner_tag.h"

#include "accounting/tenants/tenant_tree.h"
#include "allocator/slabs/cache.h"

namespace tenure {

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
