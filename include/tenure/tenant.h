/* Tenure: the tree of tenants, their limits and their figures. A part of the C API; tenure.h includes it.
 *
 * A tenant and all its ancestors are charged for its small objects by size class, and for its large objects by pages. An isolated
 * tenant is charged for the slabs that hold its small objects. A path names a tenant: "/shop/acme". "/" is the root, which has no
 * limit.
 *
 * A handle keeps the tenant's structure valid until tenure_tenant_close(), also after the tenant went offline. NULL is no tenant,
 * and never stands for the root: functions that return an error return -EINVAL, allocating for NULL fails with EINVAL, entering NULL
 * changes nothing, and the other functions return 0, "" or NULL, or do nothing. A function that gives NULL another meaning says so.
 * A failed creation leaves a handle that is not NULL and stands for no tenant either: see tenure_tenant_create().
 *
 * Functions that say "control" take the library's one lock for control operations. They are thread-safe, but not for signal
 * handlers, and they may wait for each other; no malloc or free ever waits for them. All other functions are lock-free and, unless
 * they say otherwise, async-signal-safe. A C++ exception of a callback ends in the library. Cancellation is put off until the
 * callback is back. longjmp and pthread_exit must not leave a callback.
 */
#ifndef TENURE_TENANT_H
#define TENURE_TENANT_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <stddef.h>
#include <stdint.h>

#include <tenure/events.h>
#include <tenure/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tenure_tenant;

/* The root. The handle is valid for the whole life of the process and need not be closed. */
TENURE_API struct tenure_tenant* tenure_root(void);

/* Flags of tenure_tenant_create(). */
#define TENURE_DURABLE 1u /* Threads that pthread_create() makes inside it start inside it. */
/* The tenant shares no page with others. Its memory is cleared before others get it. Memory that tenants without this flag leave is
 * not cleared: others can read it, also isolated ones. */
#define TENURE_ISOLATED 2u

/* Makes a child of `parent`; NULL: of the root. The name has 1 to 63 bytes, no '/', is not "." or "..", and is unique among the
 * parent's online children. *tenant is a handle that the caller closes. 0, -EINVAL (name, flags, tenant NULL), -EEXIST,
 * -ENODEV (parent offline, or none), -EMLINK (more than 31 levels), -ENOSPC (no id left), -ENOMEM, -ENOTSUP (tenure_active()
 * is 0). Control.
 *
 * On failure *tenant is a handle that stands for no tenant, so that a program which ignores the result does not run without a limit:
 * every request inside it or for it fails, creating below it and changing it return -ENODEV, and tenure_tenant_online() is 0. Closing
 * it does nothing.
 *
 *   struct tenure_tenant* acme;
 *   if (tenure_tenant_create(NULL, "acme", 0, &acme) == 0) tenure_tenant_set_limit(acme, TENURE_MAX, 64 << 20);
 */
TENURE_API int tenure_tenant_create(struct tenure_tenant* parent, const char* name, unsigned flags,
                                    struct tenure_tenant** tenant);

/* Flag of tenure_tenant_offline(): all tenants below go first. */
#define TENURE_RECURSIVE 1u

/* Takes the tenant offline. Its objects stay valid and may be freed by anyone at any time. From now on the nearest online ancestor is
 * charged for them, and for the allocations of threads that are still inside. The call takes a time that does not depend on the number
 * of live objects, and waits for no grace period. The handle stays good until closed. 0, -EINVAL (the root, flags), -EBUSY (has
 * children), -EALREADY (offline already). Control. */
TENURE_API int tenure_tenant_offline(struct tenure_tenant* tenant, unsigned flags);

/* A handle on the online tenant at an absolute path; "/" is the root. NULL if there is none. */
TENURE_API struct tenure_tenant* tenure_tenant_find(const char* path);
/* Another handle on the same tenant, to be closed too. Returns `tenant`. */
TENURE_API struct tenure_tenant* tenure_tenant_ref(struct tenure_tenant* tenant);
/* Gives a handle up. No thread may be inside the tenant on the strength of this handle (see tenure_enter). The hardened level reports
 * three mistakes: closing the last handle while a thread is inside, closing once too often, and use of the tenant after the last
 * close. */
TENURE_API void tenure_tenant_close(struct tenure_tenant* tenant);

/* 1 while the tenant is online, else 0. */
TENURE_API int tenure_tenant_online(struct tenure_tenant* tenant);
/* A small number, unique among the tenants in use at one time; 0 is the root. The library reuses a number some time after offline.
 * UINT32_MAX for a handle that stands for no tenant. */
TENURE_API uint32_t tenure_tenant_id(struct tenure_tenant* tenant);
/* The name, valid as long as the handle; "" for the root, "(none)" for a handle that stands for no tenant. */
TENURE_API const char* tenure_tenant_name(struct tenure_tenant* tenant);
/* Writes the path and a 0 to `buffer`, as snprintf does: returns the length without the 0, also if the path did not fit. */
TENURE_API size_t tenure_tenant_path(struct tenure_tenant* tenant, char* buffer, size_t size);
/* A handle on the parent, to be closed; NULL for the root, which has none. */
TENURE_API struct tenure_tenant* tenure_tenant_parent(struct tenure_tenant* tenant);

/* Calls visit(tenant, argument) for `top` (NULL: the root) and all online tenants below it, parents first, until visit returns another
 * value than 0. Returns that value, 0 after all visits, or -ECANCELED if visit throws. The handle passed is good during the call only
 * (tenure_tenant_ref keeps it). visit must not block for long, because memory of departed tenants is not reused meanwhile. visit must
 * not call the functions that wait for such memory: tenure_reap, tenure_cache_destroy, tenure_lru_destroy, tenure_lru_set_shrinker,
 * tenure_shrinker_unregister. It may call all others. Shrinkers do not run during a visit. */
TENURE_API int tenure_tenant_for_each(struct tenure_tenant* top,
                                      int (*visit)(struct tenure_tenant* tenant, void* argument),
                                      void* argument);

/* Limits, in bytes. They may be changed at any time, also to values below the present usage. The root has none (-EINVAL). */
#define TENURE_UNLIMITED SIZE_MAX
enum tenure_limit {
  TENURE_MIN,  /* Never taken by reclaim for others, as far as the parent has it. Default 0. */
  TENURE_LOW,  /* The same while there is anything else to take. Default 0. */
  TENURE_HIGH, /* Above it: caches are given up, an event. No request fails. Default unlimited. */
  TENURE_MAX,  /* Never exceeded, unless the policy says so. Default unlimited. */
  TENURE_RESERVE, /* How far above max small requests may go with TENURE_FAIL_LARGE. Default 64 KiB. */
};
/* Sets one limit. If usage is above a new max or high, the call gives up caches and runs shrinkers before it returns. Usage that is
 * still above max makes new requests fail; no memory in use is ever taken away. No shrinkers run in a signal handler that interrupted
 * the library. 0, -EINVAL, -ENODEV (offline, or no tenant), -ENOTSUP (tenure_active() is 0). */
TENURE_API int tenure_tenant_set_limit(struct tenure_tenant* tenant, enum tenure_limit which,
                                       size_t bytes);
/* The value; 0 for an unknown `which`, and for a handle that stands for no tenant. */
TENURE_API size_t tenure_tenant_limit(struct tenure_tenant* tenant, enum tenure_limit which);

/* The answer to a request that would exceed max after reclaim. */
enum tenure_policy {
  TENURE_FAIL_LARGE, /* Default. Requests above 32 KiB fail; smaller ones may use the reserve first. */
  TENURE_FAIL_ALL, /* Every request fails. */
  TENURE_OBSERVE,  /* Counted and granted. */
  TENURE_EVENT,    /* Counted, signalled, granted. */
  TENURE_ABORT,    /* One line on stderr, then abort(). */
};
/* 0, -EINVAL (the root, policy), -ENODEV (offline, or no tenant). */
TENURE_API int tenure_tenant_set_policy(struct tenure_tenant* tenant, enum tenure_policy policy);
TENURE_API enum tenure_policy tenure_tenant_policy(struct tenure_tenant* tenant);

/* Bytes, and counts. usage, peak and failures include all tenants below. The root's usage is the whole heap's, and its peak counts
 * only bytes charged to tenants. */
struct tenure_tenant_stats {
  size_t struct_size; /* Set by the caller to sizeof(struct tenure_tenant_stats) */
  size_t usage;       /* Charged now, with all tenants below; 0 once offline */
  size_t peak;        /* The highest usage so far, or since tenure_tenant_reset_peak() */
  size_t allocated;   /* Its own objects, by class size, large ones by run; not inherited ones */
  size_t cached;      /* Its own free objects in CPU fronts, depots and slabs */
  size_t meta;        /* The allocator's structures for it */
  size_t failures;    /* Requests refused because of its max */
  size_t events[TENURE_EVENTS]; /* Its own, by enum tenure_event (as memory.events.local) */
  size_t children;              /* Online */
  size_t stalled_us; /* Microseconds in which a thread of the tenant or below waited for reclaim */
  size_t pressure10, pressure60; /* Share of it over 10 and 60 s, in hundredths of a percent */
  size_t subtree_events
      [TENURE_EVENTS]; /* Its own and those of all below, also of departed ones (as memory.events) */
};
/* Fills in the first struct_size bytes. 0, -EINVAL, -ENODEV (no tenant). */
TENURE_API int tenure_tenant_stats(struct tenure_tenant* tenant, struct tenure_tenant_stats* stats);
/* peak begins anew at the present usage. */
TENURE_API void tenure_tenant_reset_peak(struct tenure_tenant* tenant);

/* Gives back `bytes` of the memory that the tenant (NULL: the root) and those below it cache, or can drop by shrinkers, as far as there
 * is as much. The call may give back more, because slabs go as a whole, and caches and shrinkers work in batches. Returns the bytes
 * uncharged. Not for signal handlers. */
TENURE_API size_t tenure_reclaim(struct tenure_tenant* tenant, size_t bytes);

/* Memory of a departed tenant that is not freed yet. */
struct tenure_dead {
  size_t struct_size;
  const char* name; /* Of the departed tenant, perhaps cut to 23 bytes; valid during the call */
  uint32_t id;      /* Its number when it was online */
  struct tenure_tenant* payer; /* Charged now; good during the call */
  size_t bytes;                /* Of its objects: by size class, large ones by pages */
  size_t
      charged_bytes; /* Charged to the payer: more than `bytes` if the objects keep whole slabs (isolated) */
};
/* Calls visit(dead, argument) for each, until visit returns another value than 0. Returns that value, 0 after all visits, or
 * -ECANCELED if visit throws. The lock is held: visit must not call control functions. Control. */
TENURE_API int tenure_dead_for_each(int (*visit)(const struct tenure_dead* dead, void* argument),
                                    void* argument);
/* Destroys structures of departed tenants that no thread uses any more. Waits for grace periods. Returns the number of departed tenants
 * that still have live objects. Control. */
TENURE_API size_t tenure_reap(void);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
