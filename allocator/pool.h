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
#include "base/meta_arena.h"

namespace tenure {

constexpr uint32_t kPoolFrontOffset = 4096;

// What a tag says: 0, never used; else the context that holds the object's charge, or with kFreedTag held it last, which is for
// messages only: it may have become another's.
using OwnerTag = uint32_t;
constexpr OwnerTag kFreedTag = 1u << 31;
// Contexts lie in the metadata arena, 64 bytes apart or more; the root's own does not.
constexpr OwnerTag kRootTag = kFreedTag - 1;
inline bool is_owned(OwnerTag tag) { return static_cast<int32_t>(tag) > 0; }
inline OwnerTag tag_of_tenants(const AccountingContext& context) {
  const uint64_t offset = reinterpret_cast<uint64_t>(&context) - meta_arena.base();
  return static_cast<OwnerTag>(offset / kCacheLine + 1);
}
inline OwnerTag tag_of(const AccountingContext& context) {
  const bool roots = &context == root_tenant.context.load(std::memory_order_relaxed);
  return roots ? kRootTag : tag_of_tenants(context);
}
AccountingContext& context_of(OwnerTag tag);

// An object of the pool's cache, charged to the tenant, which is pinned. nullptr: refused.
void* allocate_pooled(Tenant& tenant, Cache& pool);
// The same, paid for already. Slow.
TENURE_NOINLINE void* allocate_charged(Cache& pool, OwnerTag tag);
// Frees object number `index` of a slab of the pool: credits its owner and clears it. Reports a double free. Keeps errno.
TENURE_NOINLINE void free_pooled(const RunDescriptor& slab, uint32_t index, void* object);
// The same, cleared already, where the stock does not take what it has cost.
TENURE_NOINLINE void free_cleared(Cache& pool, OwnerTag tag, void* object);
// Whom a message about a pooled object names, also a free one; nullptr: not known.
const Tenant* payer_to_name(const RunDescriptor& slab, uint32_t index);
// The context that is charged for an object of any kind; nullptr: the root's own.
AccountingContext* payer_of(const RunDescriptor& run, const void* object);
// Bytes charged through the tags of a slab. Quiescent.
size_t tagged_bytes(const RunDescriptor& slab);

}  // namespace tenure
