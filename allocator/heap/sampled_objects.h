// Objects that are sampled, from malloc to free.
//
// A sampled object of a size class lies in a slab for such objects only. The entries of these slabs in the page map are closed, so the fast
// path of free leaves each sampled object to the slow path, which finds the mark of its cache. There is one such cache of the root and
// one of all tenants in each size class; behind the owners' tags their slabs have a number for each object: its live sample. A large
// object comes by the slow path anyway; its descriptor has the number.
//
//   malloc, slow path   sample_from, sample_pooled    the point of the sampler lies in this object: a slab for samples, a live sample
//   free, slow path     forget_sample                 the live sample ends
//
// Objects of named caches are not sampled: their slabs are theirs alone.
#pragma once

#include "allocator/fronts/charge_stock.h"
#include "allocator/slabs/cache.h"
#include "allocator/slabs/slab.h"

namespace tenure {

// An object instead of the cache's next, if the next point lies in that; else, and where it cannot be had, nullptr. As allocate_from().
TENURE_NOINLINE void* sample_from(Cache& cache);
// The same for the family's pool, for the tenant, which has paid by the tag.
TENURE_NOINLINE void* sample_pooled(Tenant& tenant, CacheFamily& family, OwnerTag tag);
// Before the object, which is number `index` of a slab for samples, is free.
TENURE_NOINLINE void forget_sample(const RunDescriptor& slab, uint32_t index, void* object);

// A large object has come to life; has got another length or another place; is about to be freed.
TENURE_SLOW void consider_large(RunDescriptor& run, const Tenant& tenant);
TENURE_SLOW void forget_large(RunDescriptor& run);

}  // namespace tenure
