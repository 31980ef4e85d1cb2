// Promotion: a tenant gets a cache of its own in a class when it fills slabs of the class, which a look at the pool's tags finds out.
//
// The rule: a tenant's live objects would fill two slabs or more, and waste at most a sixteenth of them. So its own slabs cost no more
// memory than the pool's, and its mallocs and frees take the fast path. How often a tenant allocates does not matter: a thousand tenants
// that allocate all day long and hold little stay in the pool (docs/decisions/018). The cache is given up for the pool when its slabs have gone.
//
// A look costs some microseconds, so it is taken where a tenant finds the CPU's lists empty, and more and more seldom where it was in vain.
#pragma once

namespace tenure {

struct CacheFamily;
struct Tenant;

// The tenant, which is pinned and not isolated, has found the lists of the family's pool empty: perhaps looks at it, and gives it a cache of its own.
void consider_promotion(Tenant& tenant, CacheFamily& family);

}  // namespace tenure
