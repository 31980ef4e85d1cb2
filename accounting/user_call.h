// Calls of functions that belong to the program: shrinkers and the callbacks of walks. What a callback throws ends here.
#pragma once

#include "accounting/lru.h"
#include "accounting/shrinker.h"

namespace tenure {

// With the root as the current tenant: what a shrinker allocates is not charged to the tenant that is
// short of memory. A shrinker that throws has nothing and frees nothing. The tenant is pinned.
size_t call_count(const Shrinker& shrinker, Tenant& tenant);
size_t call_scan(const Shrinker& shrinker, Tenant& tenant, size_t most);

// In the current tenant of the thread. A callback that throws leaves the item where it was.
LruVerdict call_verdict(LruCallback callback, LruItem* item, void* argument);

}  // namespace tenure
