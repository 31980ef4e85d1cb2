// Pooled objects: of tenants too small, in a class, for slabs of their own. They lie in slabs that all
// tenants share; who is charged for each stands in the slab's tags.
//
// A tenant with ten objects of ten classes would hold ten slabs, most of them empty (per-memcg slabs in the
// kernel wasted 35-42 % of slab memory; obj_cgroup, Linux 5.9, shared them again). But a charge for each
// object costs many times what a pop does. So both: pooled while small, private once hot.
#pragma once

#include <cstdint>

#include "allocator/cache.h"
#include "allocator/slab.h"
#include "allocator/tenant_heap.h"

namespace tenure {

constexpr uint32_t kPoolFrontOffset = 4096;

// Objects that a tenant takes from the pool in one class, since it was last found empty there, before it gets slabs of its own:
// about a slab's worth. Before, the first few objects of all classes together are not counted (tenant_heap.cpp).
constexpr uint16_t steps_to_cache(size_t object_size) {
  const size_t slab = kGranuleSize / object_size;
  return static_cast<uint16_t>(slab < 8 ? 8 : slab > 1024 ? 1024 : slab);
}

// What a tag says: 0, free; else the context that holds the object's charge.
using OwnerTag = uint32_t;
OwnerTag tag_of(const AccountingContext& context);
AccountingContext& context_of(OwnerTag tag);

// An object of the pool's cache, charged to the tenant, which is pinned. nullptr: refused.
void* allocate_pooled(Tenant& tenant, Cache& pool);
// Credits the owner, clears the object, returns its cache. Reports a double free.
Cache& release_pooled(RunDescriptor& slab, void* object);
// The context that is charged for an object of any kind; nullptr: the root's own.
AccountingContext* payer_of(const RunDescriptor& run, const void* object);
// Bytes charged through the tags of a slab. Quiescent.
size_t tagged_bytes(const RunDescriptor& slab);

}  // namespace tenure
