/* Tenure: a malloc for services that host many tenants in one process. The C API.
 *
 * The library replaces malloc, free and their family as soon as it is preloaded or linked; no call of this API is needed for that.
 * The API adds tenants. A tenant is a node of a tree to which memory is charged, as a memory cgroup is. Each thread is inside one
 * tenant at a time, the root at first, and tenure_enter() changes it by one thread-local store. malloc charges each object to the
 * thread's tenant and to all ancestors of that tenant, in one atomic step with the comparison against each limit, so no limit is
 * exceeded for an instant. The object stays that tenant's, whichever thread frees it. Small objects of different tenants lie side by
 * side in shared slabs, each with a tag that names its owner, so a tenant with ten objects takes about ten objects' memory. A request
 * that does not fit is first answered by reclaim (caches, then shrinkers of the program), then by the tenant's policy. A tenant ends by
 * tenure_tenant_offline() in microseconds, while its objects are alive: the nearest online ancestor pays for them from then on, and
 * tenure_dead_for_each() still knows their former owner's name.
 *
 *   tenure/heap.h    the heap of the process as a whole: version, statistics, validation
 *   tenure/tenant.h  the tree of tenants: create, limits, policies, statistics, reclaim, offline
 *   tenure/events.h  events of tenants, and checkpoints
 *   tenure/scope.h   the current tenant of a thread
 *   tenure/memory.h  memory of a given tenant
 *   tenure/cache.h   named caches, for objects of one type
 *   tenure/readers.h type-safe caches, for readers under RCU
 *   tenure/lru.h     LRUs and shrinkers, for the caches of a service
 *
 * This header includes them all. Two more are included by their name alone: tenure/profile.h (heap profiles) and tenure/rcu.h (freeing
 * after a grace period of liburcu).
 *
 * Conventions: sizes are bytes. Functions return 0 or a count on success and a negative errno value on failure; they keep errno.
 * Structures that the library fills begin with struct_size, so programs built against an older header go on working.
 */
#ifndef TENURE_TENURE_H
#define TENURE_TENURE_H

#include <tenure/cache.h>
#include <tenure/events.h>
#include <tenure/heap.h>
#include <tenure/lru.h>
#include <tenure/memory.h>
#include <tenure/readers.h>
#include <tenure/scope.h>
#include <tenure/tenant.h>

#endif
