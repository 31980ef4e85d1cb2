/* Tenure: events of tenants, and checkpoints. A part of the C API; tenure.h includes it.
 *
 * A tenant has five kinds of events, which are counted in its statistics. A service learns of an event in one of two ways. An eventfd
 * becomes readable, which suits an event loop. A handler is a function that the library calls later, from tenure_checkpoint() or at
 * the end of a control operation: never inside malloc, and with no lock held.
 */
#ifndef TENURE_EVENTS_H
#define TENURE_EVENTS_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <stdint.h>

#include <tenure/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tenure_tenant;

enum tenure_event {
  TENURE_EVENT_LOW,      /* Reclaim took memory below low. */
  TENURE_EVENT_HIGH,     /* Usage went above high. */
  TENURE_EVENT_MAX,      /* A request met max. */
  TENURE_EVENT_OVERDRAW, /* A request was granted above max by the policy. */
  TENURE_EVENT_ABORT,    /* The policy is about to end the process. */
};
#define TENURE_EVENTS 5
#define TENURE_EVENT_BIT(event) (1u << (unsigned)(event))

/* From now on the events of `mask` (TENURE_EVENT_BIT) make the eventfd readable. Each event does so once until
 * tenure_tenant_read_events(). fd -1: no eventfd. The caller owns the descriptor, and may close it after another call has replaced it;
 * for that reason the call waits for a grace period. 0, -EINVAL (the root; not an eventfd), -EBADF, -ENODEV (offline, and fd is not
 * -1), -ENOMEM, -EDEADLK (inside a visit of tenants, which the wait would never outlast; nothing happened). Control. */
TENURE_API int tenure_tenant_set_eventfd(struct tenure_tenant* tenant, int fd, uint32_t mask);

/* The events of the mask that happened since the last call, as a mask. */
TENURE_API uint32_t tenure_tenant_read_events(struct tenure_tenant* tenant);

/* Calls handler(tenant, event, argument) after the event, once for each burst: from tenure_checkpoint() or at the end of a control
 * operation, never inside another callback except a handler. Allocations of the handler are charged to the root; its exceptions are
 * lost. NULL: no more calls. The function returns when no call of the previous handler is under way or can follow, so the caller must
 * hold no lock that the handler waits for. A handler may remove itself. 0, -EINVAL (the root, event), -ENODEV (offline, and the handler
 * is not NULL), -ENOMEM, -EDEADLK (from inside a callback, while another thread is in the handler; nothing happened). Control. */
typedef void (*tenure_event_handler)(struct tenure_tenant* tenant, enum tenure_event event,
                                     void* argument);
TENURE_API int tenure_tenant_set_handler(struct tenure_tenant* tenant, enum tenure_event event,
                                         tenure_event_handler handler, void* argument);

/* For places at which a service may wait, such as the end of a request. Runs event handlers. If the current tenant or an ancestor is
 * above high, reclaims memory; if that did not help, sleeps a few milliseconds in proportion to the excess. Returns the number of
 * handlers that ran. Thread-safe; not for signal handlers. */
TENURE_API int tenure_checkpoint(void);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
