/* Tenure: freeing after a grace period of liburcu.
 *
 * Header only. Include it after one flavour of liburcu: <urcu/urcu-memb.h>, <urcu/urcu-mb.h>, <urcu/urcu-bp.h>,
 * <urcu/urcu-qsbr.h>, or what stands for one (<urcu.h>). Where a file includes several, TENURE_RCU_FLAVOR says which (memb, mb, bp or
 * qsbr). Each flavour of a program has objects of its own that wait. Works with every malloc; caches need the library.
 *
 * The functions may be called where call_rcu() may: by threads that are registered with the flavour (bp registers by itself),
 * of qsbr online. A program that forks without exec calls liburcu's functions around fork, as for call_rcu(); a qsbr thread that forks is offline.
 */
#ifndef TENURE_RCU_H
#define TENURE_RCU_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <tenure/rcu_batches.h>
#include <tenure/rcu_readers.h>
#include <tenure/tenure.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Frees the block, which is malloc's and which new readers cannot find any more, after a grace period. Keeps its contents and its
 * charge until then; takes 8 bytes of the root's memory. NULL is allowed.
 *
 * Where more waits than tenure_rcu_set_backlog() allows, the caller waits for a grace period and frees what is due. So it must hold no
 * lock that a reader may wait for inside a read section, as for synchronize_rcu(). It never waits inside a read section, in a
 * callback of call_rcu(), or with qsbr, for which there is tenure_rcu_throttle().
 *
 * 0; -ENOMEM where there is not even memory to remember the block and the caller may not wait: the block is still the caller's. */
static inline int tenure_free_rcu(void* block);
/* The same, and never waits: under any lock, in signal handlers. The backlog may grow beyond its bound. A handler may call it once the
 * program has used call_rcu() or tenure_free_rcu(), where the flavour lets handlers read. */
static inline int tenure_free_rcu_nowait(void* block);
/* The same for an object of a cache: tenure_cache_free() after a grace period. */
static inline int tenure_cache_free_rcu(struct tenure_cache* cache, void* object);
static inline int tenure_cache_free_rcu_nowait(struct tenure_cache* cache, void* object);

/* Returns when everything is free that was passed to the functions above before the call. Waits for grace periods: not in a read
 * section, nor in a callback of call_rcu(). Online threads of qsbr may call it; it is a quiescent state. */
static inline void tenure_rcu_barrier(void);

/* Where more waits than the bound: waits for grace periods and frees what is due. For places where a thread may wait for a grace period: not in a read
 * section. With qsbr it is a quiescent state. */
static inline void tenure_rcu_throttle(void);
/* The bound, in bytes of objects that wait for the end of a grace period. 4 MiB at first; SIZE_MAX: none. */
static inline void tenure_rcu_set_backlog(size_t bytes);
/* The bytes that wait; but for up to a batch (500 objects or 256 KiB) for each CPU. */
static inline size_t tenure_rcu_backlog(void);

/* As tenure_cache_create(). With TENURE_TYPESAFE_BY_RCU among the flags the memory of the cache's objects stays of their type
 * until a grace period of the flavour has passed (tenure/readers.h): readers may look at objects that are freed meanwhile. */
static inline int tenure_cache_create_rcu(const char* name, size_t size, size_t alignment,
                                          unsigned flags, void (*constructor)(void* object),
                                          struct tenure_cache** cache);

static inline int tenure_free_rcu(void* block) {
  return block ? tenure_rcu_add(NULL, block, tenure_rcu_weight(block), 1) : 0;
}
static inline int tenure_free_rcu_nowait(void* block) {
  return block ? tenure_rcu_add(NULL, block, tenure_rcu_weight(block), 0) : 0;
}
static inline int tenure_cache_free_rcu(struct tenure_cache* cache, void* object) {
  return object ? tenure_rcu_add(cache, object, TENURE_RCU_CACHE_WEIGHT, 1) : 0;
}
static inline int tenure_cache_free_rcu_nowait(struct tenure_cache* cache, void* object) {
  return object ? tenure_rcu_add(cache, object, TENURE_RCU_CACHE_WEIGHT, 0) : 0;
}
static inline void tenure_rcu_barrier(void) { tenure_rcu_finish(); }
static inline void tenure_rcu_throttle(void) { tenure_rcu_help(); }
static inline void tenure_rcu_set_backlog(size_t bytes) {
  __atomic_store_n(&tenure_rcu_state.bound, bytes, __ATOMIC_RELAXED);
}
static inline size_t tenure_rcu_backlog(void) {
  return __atomic_load_n(&tenure_rcu_state.backlog, __ATOMIC_RELAXED);
}
static inline int tenure_cache_create_rcu(const char* name, size_t size, size_t alignment,
                                          unsigned flags, void (*constructor)(void* object),
                                          struct tenure_cache** cache) {
  return tenure_rcu_create_cache(name, size, alignment, flags, constructor, cache);
}

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
