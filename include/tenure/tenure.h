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
 * Conventions: sizes are bytes. Functions return 0 or a count on success and a negative errno value on failure; they keep errno.
 * Structures that the library fills begin with struct_size, so programs built against an older header go on working.
 */
#ifndef TENURE_TENURE_H
#define TENURE_TENURE_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* With TENURE_WEAK defined before the header, a program needs no library to link or to run: every function is then a
 * weak symbol, which is NULL where libtenure is neither linked nor preloaded. tenure_available() tells. */
#if defined(TENURE_WEAK) && !defined(TENURE_BUILDING)
#define TENURE_API __attribute__((weak))
#else
#define TENURE_API
#endif

/* The library's version, e.g. "0.1.0". A constant string. Thread- and signal-safe. */
TENURE_API const char* tenure_version(void);

/* "rseq" where the fast path uses restartable sequences, "fallback" where it uses atomic operations (no rseq or membarrier,
 * TENURE_RSEQ=off, or TENURE_CHECK=hardened). A constant string. Thread- and signal-safe. */
TENURE_API const char* tenure_mode(void);

/* 1 where the process's malloc is the library's: preloaded, linked, or linked statically. 0 where another malloc serves the process,
 * as after dlopen() of the library, or ctypes.CDLL() without LD_PRELOAD: nothing is charged then, and tenure_tenant_create() and
 * tenure_tenant_set_limit() return -ENOTSUP. Decided once. Thread-safe; the first call not in a signal handler. */
TENURE_API int tenure_active(void);

/* Sizes in bytes. */
struct tenure_stats {
  size_t struct_size;       /* Set by the caller to sizeof(struct tenure_stats) */
  size_t allocated;         /* Objects in use, rounded to their size classes */
  size_t cached;            /* Free objects kept in CPU fronts, depots and slabs */
  size_t slab_bytes;        /* Runs that hold small objects */
  size_t large_bytes;       /* Runs that are large objects */
  size_t resident_estimate; /* Slabs, large objects, free pages not yet returned, metadata */
  size_t meta;              /* The allocator's own structures */
  size_t committed;         /* Arena opened so far */
  size_t purged;            /* Of that, free and returned to the system */
};

/* Fills in as many bytes of *stats as its struct_size says, so that programs built against an older header go on working. 0, or
 * -EINVAL where struct_size is too small to hold itself. Walks the heap: exact while no other thread allocates, close
 * otherwise. Thread- and signal-safe. */
TENURE_API int tenure_stats(struct tenure_stats* stats);

/* Writes statistics by class to a file descriptor: text, or JSON if `json` is not 0. No allocation. Thread- and
 * signal-safe. */
TENURE_API void tenure_stats_print(int fd, int json);

/* Checks every structure of the heap. 0, or -EIO with a line on stderr that says what is wrong. Must be called while no other thread
 * is in an allocation function. In the child of a fork: -EOWNERDEAD, with a line, if all is well but for memory or charges that are
 * lost, as other threads had them in their hands at the fork. */
TENURE_API int tenure_validate(void);

/* ---- Tenants -------------------------------------------------------------------------------------------------------
 *
 * A tenant and all its ancestors are charged for its small objects by size class, and for its large objects by pages. An isolated
 * tenant is charged for the slabs that hold its small objects. A path names a tenant: "/shop/acme". "/" is the root, which has no
 * limit.
 *
 * A handle keeps the tenant's structure valid until tenure_tenant_close(), also after the tenant went offline. NULL is no tenant,
 * and never stands for the root: functions that return an error say -EINVAL, allocating for NULL fails with EINVAL, entering it
 * changes nothing, and the other functions return 0, "" or NULL, or do nothing. Where NULL means something else, the function
 * says so. A failed creation leaves a handle that is not NULL and stands for no tenant either: see tenure_tenant_create().
 *
 * Functions that say "control" take the library's one lock for control operations: they are thread-safe, but not for signal
 * handlers, and they may wait for each other; no malloc or free ever waits for them. All others are lock-free and, unless they say
 * otherwise, async-signal-safe. A C++ exception of a callback ends in the library. Cancellation is put off until the callback is
 * back. longjmp and pthread_exit must not leave a callback.
 */
struct tenure_tenant;

/* The root. The handle is good for ever and need not be closed. */
TENURE_API struct tenure_tenant* tenure_root(void);

/* Flags of tenure_tenant_create(). */
#define TENURE_DURABLE 1u /* Threads that pthread_create() makes inside it start inside it. */
/* Shares no page with others; its memory is cleared before others get it. Memory that tenants without this flag leave is not cleared:
 * others can read it, also isolated ones. */
#define TENURE_ISOLATED 2u

/* Makes a child of `parent`; NULL: of the root. The name has 1 to 63 bytes, no '/', is not "." or "..", and is unique among the
 * parent's online children. *tenant is a handle that the caller closes. 0, -EINVAL (name, flags, tenant NULL), -EEXIST,
 * -ENODEV (parent offline, or none), -EMLINK (more than 31 levels), -ENOSPC (no id left), -ENOMEM, -ENOTSUP (tenure_active()
 * is 0). Control.
 *
 * On failure *tenant is a handle that stands for no tenant, so that a program which does not look at the result does not run
 * without a limit: every request inside it or for it fails, creating below it and changing it return -ENODEV, and
 * tenure_tenant_online() is 0. Closing it does nothing. */
TENURE_API int tenure_tenant_create(struct tenure_tenant* parent, const char* name, unsigned flags,
                                    struct tenure_tenant** tenant);

/* Flag of tenure_tenant_offline(): children, and theirs, go first. */
#define TENURE_RECURSIVE 1u

/* Takes the tenant offline. Its objects stay valid and may be freed by anyone at any time; from now on they are charged
 * to the nearest online ancestor, and so is what threads still inside it allocate. Takes a time that does not depend on
 * the number of live objects; waits for no grace period. The handle stays good until closed. 0, -EINVAL (the root,
 * flags), -EBUSY (has children), -EALREADY (offline already). Control. */
TENURE_API int tenure_tenant_offline(struct tenure_tenant* tenant, unsigned flags);

/* A handle on the online tenant at an absolute path; "/" is the root. NULL where there is none. */
TENURE_API struct tenure_tenant* tenure_tenant_find(const char* path);
/* Another handle on the same tenant, to be closed too. Returns `tenant`. */
TENURE_API struct tenure_tenant* tenure_tenant_ref(struct tenure_tenant* tenant);
/* Gives a handle up. No thread may be inside the tenant on the strength of this handle (see tenure_enter). The hardened level reports
 * the last one while a thread is inside, one too many, and use of the tenant after the last. */
TENURE_API void tenure_tenant_close(struct tenure_tenant* tenant);

/* 1 while the tenant is online, else 0. */
TENURE_API int tenure_tenant_online(struct tenure_tenant* tenant);
/* Small number, unique among the tenants in use at one time; 0 is the root. Reused some time after offline. UINT32_MAX for what is no
 * tenant. */
TENURE_API uint32_t tenure_tenant_id(struct tenure_tenant* tenant);
/* The name, valid as long as the handle; "" for the root, "(none)" for what is no tenant. */
TENURE_API const char* tenure_tenant_name(struct tenure_tenant* tenant);
/* Writes the path and a 0 to `buffer`, as snprintf does: returns the length without the 0, also if it did not fit. */
TENURE_API size_t tenure_tenant_path(struct tenure_tenant* tenant, char* buffer, size_t size);
/* A handle on the parent, to be closed; NULL for the root, which has none. */
TENURE_API struct tenure_tenant* tenure_tenant_parent(struct tenure_tenant* tenant);

/* Calls visit(tenant, argument) for `top` (NULL: the root) and all online tenants below it, parents first, until it returns another
 * value than 0, which is then returned; -ECANCELED if it throws. The handle passed is good during the call only
 * (tenure_tenant_ref keeps it). visit must not block for long, as memory of departed tenants is not reused meanwhile, and must
 * not call the functions that wait for that: tenure_reap, tenure_cache_destroy, tenure_lru_destroy, tenure_lru_set_shrinker,
 * tenure_shrinker_unregister. Others it may call. Shrinkers do not run in it. */
TENURE_API int tenure_tenant_for_each(struct tenure_tenant* top,
                                      int (*visit)(struct tenure_tenant* tenant, void* argument),
                                      void* argument);

/* Limits, in bytes. Changed at any time, also below the present usage. -EINVAL for the root. */
#define TENURE_UNLIMITED SIZE_MAX
enum tenure_limit {
  TENURE_MIN, /* Never taken by reclaim on behalf of others, as far as the parent has it. Default 0. */
  TENURE_LOW, /* The same while there is anything else to take. Default 0. */
  TENURE_HIGH, /* Above it: caches are given up, an event. Never fails anything. Default unlimited. */
  TENURE_MAX,     /* Never exceeded, but as the policy says. Default unlimited. */
  TENURE_RESERVE, /* How far above max small requests may go with TENURE_FAIL_LARGE. Default 64 KiB. */
};
/* Sets one. Where usage is above a new max or high, caches are given up and shrinkers run before it returns; what is
 * left above max then fails new requests and is never taken away. No shrinkers run in a signal handler that interrupted
 * the library. 0, -EINVAL, -ENODEV (offline, or no tenant), -ENOTSUP (tenure_active() is 0). */
TENURE_API int tenure_tenant_set_limit(struct tenure_tenant* tenant, enum tenure_limit which,
                                       size_t bytes);
/* The value; 0 for an unknown `which`, and for what is no tenant. */
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

/* Events. */
enum tenure_event {
  TENURE_EVENT_LOW,      /* Reclaim took memory below low. */
  TENURE_EVENT_HIGH,     /* Usage went above high. */
  TENURE_EVENT_MAX,      /* A request met max. */
  TENURE_EVENT_OVERDRAW, /* One was granted above max by the policy. */
  TENURE_EVENT_ABORT,    /* The policy is about to end the process. */
};
#define TENURE_EVENTS 5
#define TENURE_EVENT_BIT(event) (1u << (unsigned)(event))

/* Bytes, and counts. usage, peak and failures include all tenants below. The root's usage is the whole heap's, and its peak counts
 * only bytes charged to tenants. */
struct tenure_tenant_stats {
  size_t struct_size; /* Set by the caller to sizeof(struct tenure_tenant_stats) */
  size_t usage;       /* Charged now, with all tenants below; 0 once offline */
  size_t peak;        /* The highest usage so far, or since tenure_tenant_reset_peak() */
  size_t allocated;   /* Its own objects, by class size, large ones by run; not what others left */
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
/* Fills in as many bytes as struct_size says. 0, -EINVAL, -ENODEV (no tenant). */
TENURE_API int tenure_tenant_stats(struct tenure_tenant* tenant, struct tenure_tenant_stats* stats);
/* peak begins anew at the present usage. */
TENURE_API void tenure_tenant_reset_peak(struct tenure_tenant* tenant);

/* From now on the events of `mask` (TENURE_EVENT_BIT) make the eventfd readable; each once until tenure_tenant_read_events().
 * fd -1: none. The descriptor stays the caller's, who may close it once it has been replaced: for that it waits for a grace
 * period. 0, -EINVAL (the root; no eventfd), -EBADF, -ENODEV (offline, and fd is not -1), -ENOMEM, -EDEADLK (a visit of tenants would
 * wait; nothing happened). Control. */
TENURE_API int tenure_tenant_set_eventfd(struct tenure_tenant* tenant, int fd, uint32_t mask);
/* Which of those happened since the last call, as a mask. */
TENURE_API uint32_t tenure_tenant_read_events(struct tenure_tenant* tenant);
/* Calls handler(tenant, event, argument) after the event, once for each burst: from tenure_checkpoint() or the end of a
 * control operation, never inside another callback but a handler, with no lock held. Its allocations are the root's; its exceptions
 * are lost. NULL: no more calls. Returns when none of the handler before is under way or can follow; the caller must hold
 * nothing it waits for. 0, -EINVAL (the root, event), -ENODEV (offline, and the handler is not NULL), -ENOMEM, -EDEADLK (from inside a callback, while another thread
 * is in the handler; nothing happened). A handler may take itself away. Control. */
typedef void (*tenure_event_handler)(struct tenure_tenant* tenant, enum tenure_event event,
                                     void* argument);
TENURE_API int tenure_tenant_set_handler(struct tenure_tenant* tenant, enum tenure_event event,
                                         tenure_event_handler handler, void* argument);

/* For places where a service may wait (between requests): runs event handlers; if the current tenant or an ancestor is
 * above high, reclaims, and sleeps a few milliseconds in proportion to the excess if that did not help. Returns how
 * many handlers ran. Not in a signal handler. */
TENURE_API int tenure_checkpoint(void);

/* Gives back `bytes` of what the tenant (NULL: the root) and those below it cache or, by shrinkers, can drop, as far as there is as much. It may
 * be more: slabs go as a whole, and caches and shrinkers work in batches. Returns the bytes uncharged. Not in a signal
 * handler. */
TENURE_API size_t tenure_reclaim(struct tenure_tenant* tenant, size_t bytes);

/* Memory of a departed tenant that nobody has freed yet. */
struct tenure_dead {
  size_t struct_size;
  const char* name; /* Of the departed tenant, perhaps cut to 23 bytes; valid during the call */
  uint32_t id;      /* It had then */
  struct tenure_tenant* payer; /* Charged now; good during the call */
  size_t bytes;                /* Of its objects: by size class, large ones by pages */
  size_t
      charged_bytes; /* Charged to the payer: more than `bytes` where the objects keep whole slabs (isolated) */
};
/* Calls visit(dead, argument) for each until it returns another value than 0, which is then returned; -ECANCELED if it throws.
 * The lock is held: visit must not call control functions. Control. */
TENURE_API int tenure_dead_for_each(int (*visit)(const struct tenure_dead* dead, void* argument),
                                    void* argument);
/* Destroys structures of departed tenants that nobody uses any more. Waits for grace periods. Returns how many departed
 * tenants still have live objects. Control. */
TENURE_API size_t tenure_reap(void);

/* ---- The current tenant --------------------------------------------------------------------------------------------
 *
 * Each thread is inside one tenant at a time, the root at first. malloc and its family, and operator new, charge that tenant;
 * free credits the tenant that pays. A signal handler that enters and leaves is invisible to the interrupted code.
 */
struct tenure_scope {
  uint64_t word; /* Opaque */
};
/* Goes inside; returns what tenure_leave() needs. One thread-local store. Nests to any depth, left strictly in reverse
 * order, on the same thread, which the hardened level checks. No reference is taken: the caller's handle must stay open until the
 * scope is left. NULL changes nothing. */
TENURE_API struct tenure_scope tenure_enter(struct tenure_tenant* tenant);
TENURE_API void tenure_leave(struct tenure_scope outer);
/* The tenant this thread is inside of, tenure_root() at first. Not a new handle. */
TENURE_API struct tenure_tenant* tenure_current(void);

/* The current tenant for work that runs later or on another thread; holds a handle of its own. Each captured scope is
 * released once. tenure_restore() may be called any number of times before, on any thread, and is left as a scope is. */
struct tenure_captured {
  uint64_t word; /* Opaque */
};
TENURE_API struct tenure_captured tenure_capture(void);
TENURE_API struct tenure_scope tenure_restore(struct tenure_captured captured);
TENURE_API void tenure_release(struct tenure_captured captured);

/* ---- Memory of a tenant --------------------------------------------------------------------------------------------
 *
 * As the standard functions, charged to the tenant given, whichever the current one is. Freed by free(). A tenant that
 * is offline is replaced by its nearest online ancestor. NULL with errno ENOMEM (EINVAL: alignment, no tenant).
 */
TENURE_API void* tenure_malloc(struct tenure_tenant* tenant, size_t size);
TENURE_API void* tenure_calloc(struct tenure_tenant* tenant, size_t count, size_t size);
TENURE_API void* tenure_aligned_alloc(struct tenure_tenant* tenant, size_t alignment, size_t size);
/* `block` is malloc's, or an object of a cache without constructor that is not type-safe. Moves its charge to the tenant. Returns its new place, which
 * may be the old one, or NULL with errno ENOMEM: then nothing changed. (realloc keeps the owner.) A large block stays where it
 * is, and needs no room at tenants above both its owner and the new one; a small one is copied and then freed. */
TENURE_API void* tenure_transfer(struct tenure_tenant* tenant, void* block);
/* A handle, to be closed, on the tenant that is charged for the block, or the object of any cache, now. NULL for NULL. */
TENURE_API struct tenure_tenant* tenure_owner(const void* block);

/* ---- Caches of objects of one type ---------------------------------------------------------------------------------
 *
 * As kmem_cache: objects of exactly one size. Tenants share a cache's slabs; a tenant with enough objects gets slabs of its own.
 */
struct tenure_cache;

/* `size` 1 to 32768 bytes. `alignment` a power of two up to 4096, 0 for 16. `constructor` (or NULL) runs once for each
 * object when its memory is first used, with nothing locked; a freed object must be in its constructed state. If it throws,
 * there is no object, and perhaps none for the request (ENOMEM). flags 0. 0, -EINVAL, -ENOMEM. The name is copied (at most 31 bytes). Control. */
TENURE_API int tenure_cache_create(const char* name, size_t size, size_t alignment, unsigned flags,
                                   void (*constructor)(void* object), struct tenure_cache** cache);
/* An object for the current tenant; for a given one, where NULL means the current one. NULL with errno ENOMEM (EINVAL: no tenant). */
TENURE_API void* tenure_cache_alloc(struct tenure_cache* cache);
TENURE_API void* tenure_cache_alloc_for(struct tenure_cache* cache, struct tenure_tenant* tenant);
/* NULL is allowed. An object of another cache is corruption: aborts. */
TENURE_API void tenure_cache_free(struct tenure_cache* cache, void* object);
/* `count` objects for the current tenant, or none: 0 or -ENOMEM. */
TENURE_API int tenure_cache_alloc_bulk(struct tenure_cache* cache, size_t count, void** objects);
TENURE_API void tenure_cache_free_bulk(struct tenure_cache* cache, size_t count, void** objects);
/* Gives free objects of all tenants back to slabs and empty slabs back. Returns the slabs given back. */
TENURE_API size_t tenure_cache_shrink(struct tenure_cache* cache);
/* Ends the cache, if not NULL. Nobody may use it meanwhile, unless objects live: then -EBUSY, about how many is stored in *live (if not
 * NULL), and the cache has been in use at every instant. Else 0. Control. */
TENURE_API int tenure_cache_destroy(struct tenure_cache* cache, size_t* live);

struct tenure_cache_stats {
  size_t struct_size;
  size_t object_size; /* Bytes from one object to the next */
  size_t live;        /* Objects handed out */
  size_t cached;      /* Free objects kept */
  size_t slabs;
  size_t slab_bytes;
  size_t tenants; /* With slabs of their own here; the others share */
  size_t
      waiting_bytes; /* Of empty slabs, beside slab_bytes, that wait for readers: tenure/readers.h */
};
TENURE_API int tenure_cache_stats(struct tenure_cache* cache, struct tenure_cache_stats* stats);

/* 1 if the library is there. */
static inline int tenure_available(void) {
#if defined(TENURE_WEAK) && !defined(TENURE_BUILDING)
  return tenure_version != NULL;
#else
  return 1;
#endif
}

#ifdef __cplusplus
}
#endif

#include <tenure/lru.h>
#include <tenure/readers.h>

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
