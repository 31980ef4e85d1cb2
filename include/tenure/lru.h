/* Tenure: LRUs and shrinkers, for the caches of a service. A part of the C API; tenure.h includes it.
 *
 * A service puts the objects of its cache on an LRU, each on the list of a tenant, and registers a shrinker. When the tenant, or one
 * above it, is short of memory, the library calls the shrinker for tenants that have objects. The model is list_lru and the shrinkers
 * of Linux. When a tenant goes offline, its items go to its parent's list, in a time that does not depend on their number. If the given
 * tenant is offline, its nearest online ancestor takes its place.
 *
 * A tenant has a list on each NUMA node of the machine (or as many as the option TENURE_LRU_LISTS says). An item goes to the list of
 * the CPU that adds it. Each list has a lock, held for a few steps and never while a callback runs. The functions are thread-safe, may
 * be called with locks of the service held, and are not for signal handlers.
 *
 * Each item has one owner at a time. The caller of tenure_lru_remove() that returned 1 owns the item; a walk owns the item that it
 * shows to its callback, until the walk has carried out the verdict. The memory of an item must stay valid during every call that
 * names it. The lock of the table in which the service finds the item sees to that, in callbacks as elsewhere.
 */
#ifndef TENURE_LRU_H
#define TENURE_LRU_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <tenure/tenant.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tenure_lru;
/* Embedded in the service's objects. All bytes are zero before the first use; `list` is zero again when the item is on no list. */
struct tenure_lru_item {
  void* opaque[2];
  uintptr_t list;
};

/* A new LRU, without memory for any tenant. 0, -EINVAL, -ENOMEM. Control. */
TENURE_API int tenure_lru_create(struct tenure_lru** lru);
/* Ends the LRU; no thread may use the LRU during the call. 0, or -EBUSY while it has items. Waits for a grace period. Control. */
TENURE_API int tenure_lru_destroy(struct tenure_lru* lru);

/* Puts the item at the warm end of the list of the current tenant, or of the given one. The tenant that is charged for the object is
 * the best choice. 0, -EEXIST (the item is on a list, or is being shown to a callback), -EINVAL (NULL), -ENODEV (no tenant), -ENOMEM. */
TENURE_API int tenure_lru_add(struct tenure_lru* lru, struct tenure_lru_item* item);
TENURE_API int tenure_lru_add_for(struct tenure_lru* lru, struct tenure_tenant* tenant,
                                  struct tenure_lru_item* item);
/* Moves an item that was used to the warm end of its list. 1, or 0 if the item is on no list or is being shown to a callback. */
TENURE_API int tenure_lru_touch(struct tenure_lru_item* item);
/* Takes the item off its list. 1: the caller owns the item now. 0: the item was on no list. -EBUSY: a walk is showing the item to its
 * callback, and the caller must leave the item to that callback. Unless the callback's verdict is TENURE_LRU_REMOVED, the walk shows
 * the item once more, and no more than once. A call during that second showing returns -EBUSY too, and the second verdict holds. */
TENURE_API int tenure_lru_remove(struct tenure_lru_item* item);
/* Inside a walk's callback, for the item shown: the callback becomes the owner, and may put the item on another list or keep it. The
 * verdict must then be TENURE_LRU_REMOVED. 0 or -EINVAL. */
TENURE_API int tenure_lru_isolate(struct tenure_lru_item* item);
/* The number of lists that a tenant may have. Node numbers are smaller than this number. */
TENURE_API unsigned tenure_lru_nodes(struct tenure_lru* lru);
/* The number of items of the tenant, without those of tenants below it: on all lists, or on the list of one node (0 if that node does
 * not exist). One load for each list. */
TENURE_API size_t tenure_lru_count(struct tenure_lru* lru, struct tenure_tenant* tenant);
TENURE_API size_t tenure_lru_count_node(struct tenure_lru* lru, struct tenure_tenant* tenant,
                                        unsigned node);

/* The fate of an item that was shown. */
enum tenure_lru_verdict {
  TENURE_LRU_REMOVED, /* The callback owns the item: freed already, or isolated. */
  TENURE_LRU_ROTATE,  /* Back on the list, at the warm end. */
  TENURE_LRU_SKIP,    /* Back at its place. */
  TENURE_LRU_RETRY,   /* Back at its place, and shown again. */
  TENURE_LRU_STOP,    /* Back at its place; the walk ends. */
};
typedef enum tenure_lru_verdict (*tenure_lru_callback)(struct tenure_lru_item* item,
                                                       void* argument);
/* Shows items of the tenant to the callback, coldest first: at most `most` items, and no more than the list had at the start. Each item
 * is shown once, or twice if tenure_lru_remove() asked for it meanwhile. Returns the number of items removed. With several nodes, each
 * list is asked for its share of `most`, in proportion to its items, one list after the other. The library holds no lock during
 * callbacks, which may use all functions of this header. longjmp, pthread_exit() and cancellation must not leave a callback. A callback
 * that throws counts as TENURE_LRU_SKIP. */
TENURE_API size_t tenure_lru_walk(struct tenure_lru* lru, struct tenure_tenant* tenant,
                                  tenure_lru_callback callback, void* argument, size_t most);
/* The same on the list of one node. */
TENURE_API size_t tenure_lru_walk_node(struct tenure_lru* lru, struct tenure_tenant* tenant,
                                       unsigned node, tenure_lru_callback callback, void* argument,
                                       size_t most);

/* Returns the number of objects that the shrinker has of the tenant, whether they could go right now or not. */
typedef size_t (*tenure_shrink_count)(struct tenure_tenant* tenant, void* argument);
/* Drops up to `most` of those objects, coldest first. Returns the number dropped. */
typedef size_t (*tenure_shrink_scan)(struct tenure_tenant* tenant, size_t most, void* argument);

/* Registers the two functions. The library calls them when memory is short: on the thread that allocates, in the middle of its malloc,
 * or in tenure_reclaim(), tenure_checkpoint() and tenure_tenant_set_limit(). For the limit of the process (TENURE_RSS_LIMIT_MIB,
 * TENURE_CGROUP) that may also be a malloc for a tenant without a limit. The functions may allocate (charged to the root) and free.
 * They run on several threads at once, but never inside one another on one thread. They must not wait for a lock that a thread holds
 * while it allocates for a tenant other than the root: use pthread_mutex_trylock(), and TENURE_LRU_SKIP. A function that throws counts
 * as one that freed nothing. The library does not call them in signal handlers that interrupted it, but does in a handler that
 * allocates for a tenant other than the root. `tenant` is a handle for the duration of the call.
 *
 * `cost`, 1 to 1000, is the price of making an object again. 2 is the ordinary cost; a shrinker of cost 4 is asked for half as many
 * objects. The name is copied (at most 31 bytes). Until an LRU is tied to the shrinker, the library asks it about every tenant in
 * question; afterwards only about those of which an item was added since its count last was 0. 0, -EINVAL, -ENOSPC (256 shrinkers),
 * -ENOMEM. Control. After fork() in a process with threads the child has no shrinkers. */
struct tenure_shrinker;
TENURE_API int tenure_shrinker_register(const char* name, tenure_shrink_count count,
                                        tenure_shrink_scan scan, unsigned cost, void* argument,
                                        struct tenure_shrinker** shrinker);
/* Ties the LRU to the shrinker, or (NULL) to none. An LRU has one shrinker; a shrinker may have many LRUs. Waits for a grace period.
 * 0 or -EINVAL. Control. */
TENURE_API int tenure_lru_set_shrinker(struct tenure_lru* lru, struct tenure_shrinker* shrinker);
/* Removes the shrinker. Returns when no call is under way and none can follow. The caller must hold no lock that the functions wait for.
 * 0, or -EDEADLK from inside a shrinker: in that case nothing happened. Control. */
TENURE_API int tenure_shrinker_unregister(struct tenure_shrinker* shrinker);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
