// Tenants above high: the helper thread gives their caches back, before anybody meets max.
//
// The thread whose charge crosses high gives caches up once. What comes into caches afterwards, while the tenant stays above high, would wait for
// the next crossing, or for a charge that max refuses. So the helper looks at such tenants in each of its turns.
#pragma once

namespace tenure {

struct Tenant;

// The tenant, which is pinned, has come above high and stayed there. Lock-free, async-signal-safe.
void watch_above_high(Tenant& tenant);
// A turn of the helper. False: nobody is watched any more.
bool reclaim_above_high();

}  // namespace tenure
