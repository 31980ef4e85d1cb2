/* Tenure: named caches, for objects of one type. A part of the C API; tenure.h includes it.
 *
 * A cache hands out objects of exactly one size, as kmem_cache of Linux does. Tenants share a cache's slabs; a tenant with enough
 * objects gets slabs of its own. Each object is charged to the tenant that it was allocated for.
 */
#ifndef TENURE_CACHE_H
#define TENURE_CACHE_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <stddef.h>

#include <tenure/tenant.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tenure_cache;

/* Makes a cache. `size` is 1 to 32768 bytes. `alignment` is a power of two up to 4096, or 0 for 16. `constructor` (or NULL) runs once
 * for each object when its memory is first used, with no lock held; a freed object must be in its constructed state. If the constructor
 * throws, the object does not come to be, and the request may fail (ENOMEM). `flags` is 0. The name is copied (at most 31 bytes). 0,
 * -EINVAL, -ENOMEM. Control. */
TENURE_API int tenure_cache_create(const char* name, size_t size, size_t alignment, unsigned flags,
                                   void (*constructor)(void* object), struct tenure_cache** cache);
/* An object for the current tenant; for a given one, if that is not NULL. NULL with errno ENOMEM (EINVAL: no tenant). */
TENURE_API void* tenure_cache_alloc(struct tenure_cache* cache);
TENURE_API void* tenure_cache_alloc_for(struct tenure_cache* cache, struct tenure_tenant* tenant);
/* Frees the object; NULL is allowed. An object of another cache is corruption: the process ends with a line that names both. */
TENURE_API void tenure_cache_free(struct tenure_cache* cache, void* object);
/* `count` objects for the current tenant, or none: 0 or -ENOMEM. */
TENURE_API int tenure_cache_alloc_bulk(struct tenure_cache* cache, size_t count, void** objects);
TENURE_API void tenure_cache_free_bulk(struct tenure_cache* cache, size_t count, void** objects);
/* Returns free objects of all tenants to their slabs, and empty slabs to the heap. Returns the number of those slabs. */
TENURE_API size_t tenure_cache_shrink(struct tenure_cache* cache);
/* Ends the cache, if not NULL. No thread may use the cache during the call, unless objects live. In that case the result is -EBUSY, an
 * estimate of their number is stored in *live (if not NULL), and the cache has been usable at every instant. Else 0. Control. */
TENURE_API int tenure_cache_destroy(struct tenure_cache* cache, size_t* live);

struct tenure_cache_stats {
  size_t struct_size;
  size_t object_size; /* Bytes from one object to the next */
  size_t live;        /* Objects handed out */
  size_t cached;      /* Free objects kept */
  size_t slabs;
  size_t slab_bytes;
  size_t tenants;       /* With slabs of their own here; the others share */
  size_t waiting_bytes; /* Of empty slabs, beside slab_bytes, that wait for readers (readers.h) */
};
/* Fills in the first struct_size bytes. 0 or -EINVAL. */
TENURE_API int tenure_cache_stats(struct tenure_cache* cache, struct tenure_cache_stats* stats);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
