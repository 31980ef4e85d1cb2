// Pooled objects: the rule for tenants. They lie in slabs that all tenants share; who is charged for each stands in the slab's tags.
//
// Slabs of each tenant's own cost memory for every class and CPU that a tenant uses: a thousand busy tenants took seven times the memory
// and twelve times the time of none (docs/decisions/018). The kernel went the same way: slabs per memcg wasted 35 to 42 % of slab memory;
// obj_cgroup (Linux 5.9) shares them.
#pragma once

#include <cstdint>

#include "allocator/caches/tenant_heap.h"
#include "allocator/fronts/charge_stock.h"
#include "allocator/slabs/cache.h"
#include "allocator/slabs/slab.h"

namespace tenure {

// An object of the family's pool, charged to the tenant, which is pinned. nullptr: refused.
void* allocate_pooled(Tenant& tenant, CacheFamily& family);
// The same, paid for already, where the CPU's list is empty.
TENURE_NOINLINE void* allocate_unlisted(Tenant& tenant, CacheFamily& family, OwnerTag tag);
// Makes a free object of the pool, already paid for, its tenant's.
TENURE_NOINLINE void* own_pooled(void* object, OwnerTag tag);
// Frees object number `index` of a slab of the pool and credits its owner. Reports a double free. Keeps errno.
TENURE_NOINLINE void free_pooled(const RunDescriptor& slab, uint32_t index, void* object);
// The same, whose tag is cleared already, where the stock does not take what it has cost.
TENURE_NOINLINE void free_untagged(Cache& pool, OwnerTag tag, void* object);

}  // namespace tenure
