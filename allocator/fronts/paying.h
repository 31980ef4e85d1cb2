// The charge for objects of a tenant's own cache while they are in the tenant's hands: in use, or in its lists in the fronts (Cache::payer). Chains
// are paid for when they come from depots and slabs, and unpaid when they go back there; so is the fast path free of it.
#pragma once

#include "allocator/slabs/cache.h"
#include "base/words/chain_word.h"

namespace tenure {

// Pays for all of a chain from the cache's depots or slabs, for its first object, or for nothing: what is not paid for goes back. `listed`: the
// rest may go to a list in the fronts. Closed word: refused. The cache has a payer.
ChainWord pay_for(Cache& cache, ChainWord chain, bool listed);
// Objects leave the tenant's hands. Their bytes stay on the CPU for its next ones. The cache has a payer.
void unpay(Cache& cache, uint32_t objects);
// The same, and their bytes go back to the counters: somebody is short of them. Returns the bytes.
size_t unpay_at_once(Cache& cache, uint32_t objects);

// For validation, at rest: the cost of the slab's objects that are not in the slab.
uint64_t paid_bytes(const RunDescriptor& slab);

}  // namespace tenure
