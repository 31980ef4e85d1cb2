// The functions of events.h.
#include <errno.h>

#include "accounting/pressure/events.h"
#include "api/tenants/control_end.h"
#include "api/tenants/handles.h"
#include "base/words/attributes.h"
#include "tenure/events.h"

using namespace tenure;

static_assert(TENURE_EVENT_LOW == static_cast<int>(EventKind::kLow) &&
              TENURE_EVENT_HIGH == static_cast<int>(EventKind::kHigh) &&
              TENURE_EVENT_MAX == static_cast<int>(EventKind::kMax) &&
              TENURE_EVENT_OVERDRAW == static_cast<int>(EventKind::kOverdraw) &&
              TENURE_EVENT_ABORT == static_cast<int>(EventKind::kAbort));

TENURE_EXPORT int tenure_tenant_set_eventfd(tenure_tenant* tenant, int fd, uint32_t mask) {
  if (const int refused = refusal_of(tenant)) return refused;
  if (&tenant_of(tenant) == &root_tenant) return -EINVAL;
  return finish(set_eventfd(tenant_of(tenant), fd, mask));
}

TENURE_EXPORT uint32_t tenure_tenant_read_events(tenure_tenant* tenant) {
  return refusal_of(tenant) == 0 ? read_events(tenant_of(tenant)) : 0;
}

TENURE_EXPORT int tenure_tenant_set_handler(tenure_tenant* tenant, tenure_event event,
                                            tenure_event_handler handler, void* argument) {
  if (const int refused = refusal_of(tenant)) return refused;
  if (&tenant_of(tenant) == &root_tenant || static_cast<unsigned>(event) >= kEventKinds)
    return -EINVAL;
  // The calling convention is the same: a handle is the tenant's address, and an event is the kind's number.
  const auto plain = reinterpret_cast<void (*)()>(handler);
  return finish(set_event_handler(tenant_of(tenant), static_cast<EventKind>(event),
                                  reinterpret_cast<EventHandler>(plain), argument));
}

TENURE_EXPORT int tenure_checkpoint(void) { return checkpoint(); }
