/* Tenure: memory of a given tenant. A part of the C API; tenure.h includes it.
 *
 * The functions work as the standard ones do, and charge the tenant that is passed, whichever tenant the thread is inside of. free()
 * frees the memory. If the tenant is offline, its nearest online ancestor takes its place. On failure they return NULL with errno
 * ENOMEM, or EINVAL (alignment, no tenant).
 */
#ifndef TENURE_MEMORY_H
#define TENURE_MEMORY_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <stddef.h>

#include <tenure/tenant.h>

#ifdef __cplusplus
extern "C" {
#endif

TENURE_API void* tenure_malloc(struct tenure_tenant* tenant, size_t size);
TENURE_API void* tenure_calloc(struct tenure_tenant* tenant, size_t count, size_t size);
TENURE_API void* tenure_aligned_alloc(struct tenure_tenant* tenant, size_t alignment, size_t size);
/* Moves the charge of `block` to the tenant. `block` comes from malloc, or is an object of a cache without constructor that is not
 * type-safe. Returns the block's new place, which may be the old one, or NULL with errno ENOMEM: in that case nothing changed. (realloc keeps the owner.) A
 * large block stays at its place, and needs no room at tenants above both its owner and the new one; a small block is copied and then
 * freed. */
TENURE_API void* tenure_transfer(struct tenure_tenant* tenant, void* block);
/* A handle, to be closed, on the tenant that is charged now for the block, or for the object of any cache. NULL for NULL. */
TENURE_API struct tenure_tenant* tenure_owner(const void* block);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
