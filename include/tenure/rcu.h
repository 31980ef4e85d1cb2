/* Tenure: freeing after a grace period of liburcu. Header only.
 *
 * A program that publishes objects by pointers under liburcu unpublishes an object and passes it to tenure_free_rcu(). The object is
 * freed after a grace period, when no reader can see it any more. Objects that wait are recorded in batches beside the object, so an
 * object needs no rcu_head (tenure/rcu_batches.h). Objects may wait up to a bound in bytes; a thread that adds beyond the bound waits for a
 * grace period and frees.
 *
 *   #include <urcu/urcu-memb.h>
 *   #include <tenure/rcu.h>
 *   struct entry* old = rcu_xchg_pointer(&table[i], new_entry);
 *   tenure_free_rcu(old);
 *
 * Include the header after one flavour of liburcu: <urcu/urcu-memb.h>, <urcu/urcu-mb.h>, <urcu/urcu-bp.h>, <urcu/urcu-qsbr.h>, or a
 * header that stands for one (<urcu.h>). A file that includes several flavours defines TENURE_RCU_FLAVOR as memb, mb, bp or qsbr. Each
 * flavour of a program has objects of its own that wait. The header works with every malloc; caches need the library.
 *
 * The functions may be called wherever call_rcu() may be called: by threads that are registered with the flavour (bp registers threads
 * itself), and online with qsbr. A program that forks without exec calls liburcu's functions around fork, as for call_rcu(). A qsbr thread
 * that forks is offline.
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

/* Frees a block of malloc after a grace period. New readers cannot find the block any more. The block keeps its contents and its charge
 * until then, and takes 8 bytes of the root's memory. NULL is allowed.
 *
 * If more bytes wait than tenure_rcu_set_backlog() allows, the caller waits for a grace period and frees the objects that are due. So it
 * must hold no lock that a reader may wait for inside a read section, as for synchronize_rcu(). The function never waits inside a read
 * section, in a callback of call_rcu(), or with qsbr; with qsbr the program calls tenure_rcu_throttle().
 *
 * 0; -ENOMEM if there is no memory to record the block and the caller may not wait: the caller still owns the block. */
static inline int tenure_free_rcu(void* block);
/* The same, but never waits: for code under any lock, and for signal handlers. The backlog may exceed its bound. A handler may call it, if
 * the flavour lets handlers read and the program has already used call_rcu() or tenure_free_rcu(). */
static inline int tenure_free_rcu_nowait(void* block);
/* The same for an object of a cache: tenure_cache_free() after a grace period. */
static inline int tenure_cache_free_rcu(struct tenure_cache* cache, void* object);
static inline int tenure_cache_free_rcu_nowait(struct tenure_cache* cache, void* object);

/* Returns when all objects are free that were passed to the functions above before the call. Waits for grace periods: not for read
 * sections, nor for callbacks of call_rcu(). Online threads of qsbr may call it; the call is a quiescent state. */
static inline void tenure_rcu_barrier(void);

/* If more bytes wait than the bound allows: waits for grace periods and frees the objects that are due. For places where a thread may wait
 * for a grace period; not for read sections. With qsbr the call is a quiescent state. */
static inline void tenure_rcu_throttle(void);
/* Sets the bound, in bytes of objects that wait for the end of a grace period. 4 MiB at first; SIZE_MAX: no bound. */
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
