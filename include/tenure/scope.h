/* Tenure: the current tenant of a thread. A part of the C API; tenure.h includes it.
 *
 * Each thread is inside one tenant at a time, the root at first. malloc and its family, and operator new, charge that tenant;
 * free credits the tenant that pays for the object. Entering is one thread-local store. A signal handler that enters and leaves
 * is invisible to the interrupted code.
 *
 *   struct tenure_scope scope = tenure_enter(acme);
 *   handle_request();
 *   tenure_leave(scope);
 */
#ifndef TENURE_SCOPE_H
#define TENURE_SCOPE_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <stdint.h>

#include <tenure/tenant.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tenure_scope {
  uint64_t word; /* Opaque */
};
/* Goes inside the tenant. Returns the scope that tenure_leave() needs. Scopes nest to any depth, and are left strictly in reverse order
 * on the same thread, which the hardened level checks. The call takes no reference: the caller's handle must stay open until the scope
 * is left. NULL changes nothing. Signal-safe. */
TENURE_API struct tenure_scope tenure_enter(struct tenure_tenant* tenant);
TENURE_API void tenure_leave(struct tenure_scope outer);
/* The tenant that this thread is inside of, tenure_root() at first. Not a new handle. Signal-safe. */
TENURE_API struct tenure_tenant* tenure_current(void);

/* The current tenant, for work that runs later or on another thread. A captured scope holds a handle of its own and is released once.
 * tenure_restore() may be called any number of times before the release, on any thread, and is left as a scope is. */
struct tenure_captured {
  uint64_t word; /* Opaque */
};
TENURE_API struct tenure_captured tenure_capture(void);
TENURE_API struct tenure_scope tenure_restore(struct tenure_captured captured);
TENURE_API void tenure_release(struct tenure_captured captured);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
