/* Tenure: type-safe caches, for readers under RCU that hold no reference. A part of the C API; tenure.h includes it. Programs that use
 * liburcu include tenure/rcu.h as well, and make such a cache by tenure_cache_create_rcu().
 *
 * The model is SLAB_TYPESAFE_BY_RCU of Linux. An object of a type-safe cache is free at once, and may be handed out again at once, to
 * anyone. But its memory stays an object of the cache until a grace period has passed after the last object of the slab was freed. A
 * reader that finds an object inside a read section may therefore read, lock or reference the object, and then checks that the object
 * still is the one that the reader looked for. docs/rcu.md has the pattern.
 *
 * Objects keep their contents while they are free, the constructor's included: the library's words lie before the object. An object
 * that was handed out before is as its last user left it. Memory that was never handed out holds anything, unless there is a
 * constructor.
 *
 * Functions that free objects of the cache (tenure_cache_free(), _free_bulk(), _shrink()) may be called wherever call_rcu() of the
 * flavour may be: not in signal handlers. tenure_cache_destroy() waits for grace periods of the flavour, so it must not be called in a
 * read section or in a callback of call_rcu(): there it returns -EBUSY with *live 0. tenure_transfer() takes no objects of such a cache.
 */
#ifndef TENURE_READERS_H
#define TENURE_READERS_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <stddef.h>

#include <tenure/cache.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flag of a type-safe cache. tenure_cache_create() knows no flavour and refuses the flag (-EINVAL). */
#define TENURE_TYPESAFE_BY_RCU 1u

#define TENURE_READERS_HEAD 64

/* The functions of an RCU flavour. */
struct tenure_readers {
  size_t struct_size; /* Set by the caller to sizeof(struct tenure_readers) */
  /* As call_rcu(): returns, and some time after a grace period calls function(head), on a thread that may call `call` itself. Until then
   * the flavour may use `head`: TENURE_READERS_HEAD bytes, aligned to 16. Must not fail. Allocations are charged to the root. */
  void (*call)(void* head, void (*function)(void* head));
  /* As rcu_barrier(): returns when all functions passed to `call` before have been called. */
  void (*barrier)(void);
  /* Register and unregister the calling thread with the flavour, so that the thread may use `call`. The library's helper thread calls
   * them. */
  void (*register_thread)(void);
  void (*unregister_thread)(void);
};

/* As tenure_cache_create(), with TENURE_TYPESAFE_BY_RCU among the flags. *readers is copied; its functions must stay until the cache is
 * destroyed. 0, -EINVAL, -ENOMEM. Control. */
TENURE_API int tenure_cache_create_typesafe(const char* name, size_t size, size_t alignment,
                                            unsigned flags, void (*constructor)(void* object),
                                            const struct tenure_readers* readers,
                                            struct tenure_cache** cache);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
