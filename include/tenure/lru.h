/* Tenure: LRUs and shrinkers, for the caches of a service. A part of the C API; tenure.h includes it. */
#ifndef TENURE_LRU_H
#define TENURE_LRU_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <tenure/tenure.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- LRUs of a service's own caches ---------------------------------------------------------------------------------
 *
 * A service hangs the objects of its cache on an LRU, each on the list of a tenant, and registers a shrinker; when the
 * tenant, or one above it, is short of memory, the shrinker is called for tenants that have objects. As list_lru and
 * shrinkers in Linux. When a tenant goes offline its items go to its parent's list, in time that does not depend on
 * their number. A tenant that is offline is replaced by its nearest online ancestor.
 *
 * A tenant has a list on each NUMA node of the machine (or as many as the option TENURE_LRU_LISTS says): an item goes to
 * that of the CPU that adds it. Each list has a lock, held for a few steps and never while a callback runs. The functions
 * are thread-safe, may be called with locks of the service held, and are not for signal handlers.
 *
 * The taker of an item owns it: the caller of tenure_lru_remove() that returned 1, or a walk from before
 * it calls back until it has carried out the verdict. The memory of an item must stay valid during every call that names
 * it; the lock of the table in which the service finds it sees to that, in callbacks as elsewhere.
 */
struct tenure_lru;
/* To be embedded in the service's objects. Zero before its first use; `list` is zero again when it is on no list. */
struct tenure_lru_item {
  void* opaque[2];
  uintptr_t list;
};

/* A new LRU, without memory for any tenant. 0, -EINVAL, -ENOMEM. Control. */
TENURE_API int tenure_lru_create(struct tenure_lru** lru);
/* Ends it; nobody may use it meanwhile. 0, or -EBUSY while it has items. Waits for a grace period. Control. */
TENURE_API int tenure_lru_destroy(struct tenure_lru* lru);

/* Puts the item on the list of the current tenant, or of the one given, as used last. It is best the tenant that is
 * charged for the object. 0, -EEXIST (it is on a list, or being shown to a callback), -EINVAL (NULL), -ENODEV (no tenant), -ENOMEM. */
TENURE_API int tenure_lru_add(struct tenure_lru* lru, struct tenure_lru_item* item);
TENURE_API int tenure_lru_add_for(struct tenure_lru* lru, struct tenure_tenant* tenant,
                                  struct tenure_lru_item* item);
/* The item was used: it goes to the warm end of its list. 1; 0 if it is on no list, or being shown to a callback. */
TENURE_API int tenure_lru_touch(struct tenure_lru_item* item);
/* Takes the item off its list: 1, it is the caller's; 0, it was on none; -EBUSY, a walk is showing it to its callback,
 * to which it must be left: unless that says TENURE_LRU_REMOVED it is called once more, and no more than once: who comes
 * during that call gets -EBUSY too, and after it the item is where the verdict puts it. */
TENURE_API int tenure_lru_remove(struct tenure_lru_item* item);
/* In a walk's callback, for the item shown: takes it out of the walk's hands, so that it may be put on another list or
 * kept. The verdict must then be TENURE_LRU_REMOVED. 0 or -EINVAL. */
TENURE_API int tenure_lru_isolate(struct tenure_lru_item* item);
/* How many lists a tenant may have: numbers of nodes are below. */
TENURE_API unsigned tenure_lru_nodes(struct tenure_lru* lru);
/* Items of the tenant, not of those below it; of the list of one node, 0 where there is no such node. One load a list. */
TENURE_API size_t tenure_lru_count(struct tenure_lru* lru, struct tenure_tenant* tenant);
TENURE_API size_t tenure_lru_count_node(struct tenure_lru* lru, struct tenure_tenant* tenant,
                                        unsigned node);

/* The fate of an item that was shown. */
enum tenure_lru_verdict {
  TENURE_LRU_REMOVED, /* It is the callback's; perhaps freed already, or isolated. */
  TENURE_LRU_ROTATE,  /* Back on the list, as used last. */
  TENURE_LRU_SKIP,    /* Back where it was. */
  TENURE_LRU_RETRY,   /* Back where it was, and shown again. */
  TENURE_LRU_STOP,    /* Back where it was; the walk ends. */
};
typedef enum tenure_lru_verdict (*tenure_lru_callback)(struct tenure_lru_item* item,
                                                       void* argument);
/* Shows items of the tenant to the callback, coldest first: `most` of them at most, and no more than there were at the
 * start; each once, or twice if it was asked for meanwhile (tenure_lru_remove). Returns how many were removed. Where there
 * are several nodes, each list is asked for its share of `most`, in proportion to its items, one list after the other.
 * No lock of the library is held during callbacks, which may use all functions here. A callback must not be left by
 * longjmp, pthread_exit() or cancellation; one that throws says SKIP. */
TENURE_API size_t tenure_lru_walk(struct tenure_lru* lru, struct tenure_tenant* tenant,
                                  tenure_lru_callback callback, void* argument, size_t most);
/* The same on the list of one node. */
TENURE_API size_t tenure_lru_walk_node(struct tenure_lru* lru, struct tenure_tenant* tenant,
                                       unsigned node, tenure_lru_callback callback, void* argument,
                                       size_t most);

/* How many objects the shrinker has of the tenant, whether they could go right now or not. */
typedef size_t (*tenure_shrink_count)(struct tenure_tenant* tenant, void* argument);
/* Lets go of up to `most` of them, coldest first; returns how many went. */
typedef size_t (*tenure_shrink_scan)(struct tenure_tenant* tenant, size_t most, void* argument);

/* Has the functions called when memory is short: on the thread that allocates, in the middle of its malloc, or in
 * tenure_reclaim(), tenure_checkpoint() and tenure_tenant_set_limit(); for the sake of the process (TENURE_RSS_LIMIT_MIB,
 * TENURE_CGROUP) also in a malloc for a tenant without a limit. They may allocate (charged to the root) and free, and run
 * on several threads at once, but never inside one another on one thread. They must not wait for a lock that a thread
 * holds while it allocates for a tenant other than the root: pthread_mutex_trylock(), and TENURE_LRU_SKIP. One that throws
 * has freed nothing. Not called in signal handlers that interrupted the library; a handler that allocates for a tenant other
 * than the root may. `tenant` is a handle for the duration of the call.
 *
 * `cost`, 1 to 1000, is what it takes to make an object again: one of cost 4 is asked for half as many as one of 2, the
 * ordinary. The name is copied (at most 31 bytes). Until an LRU is tied to it the shrinker is asked about every tenant
 * in question; afterwards only about those of which an item was added since its count last was 0.
 * 0, -EINVAL, -ENOSPC (256 shrinkers), -ENOMEM. Control. After fork() in a process with threads the child has none. */
struct tenure_shrinker;
TENURE_API int tenure_shrinker_register(const char* name, tenure_shrink_count count,
                                        tenure_shrink_scan scan, unsigned cost, void* argument,
                                        struct tenure_shrinker** shrinker);
/* Ties the LRU to the shrinker, or (NULL) to none. An LRU has one shrinker; a shrinker may have many LRUs. Waits for a
 * grace period. 0 or -EINVAL. Control. */
TENURE_API int tenure_lru_set_shrinker(struct tenure_lru* lru, struct tenure_shrinker* shrinker);
/* Returns when no call is under way and none can follow. The caller must hold nothing the functions wait for. 0, or
 * -EDEADLK from inside a shrinker: then nothing happened. Control. */
TENURE_API int tenure_shrinker_unregister(struct tenure_shrinker* shrinker);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
