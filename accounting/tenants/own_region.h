// The tenants in the live region, and their move to a region of its own in a fork child.
#pragma once

#include "accounting/tenants/tenant.h"
#include "live/event_ring.h"
#include "live/region.h"

namespace tenure {

// Gives a slot to a tenant that no other thread has seen yet, if there is a live region. Under tenants_mutex.
void show_tenant(Tenant& tenant);
// Writes the state that other processes see.
void show_state(Tenant& tenant, live::SlotState state);
// Called when the tenant's memory is about to be freed.
void hide_tenant(Tenant& tenant);

// Shows an event to other processes. Lock-free, async-signal-safe.
void show_event(Tenant& tenant, live::EventKind kind, uint64_t bytes = 0);

// The view of its events and stalls for others. Lock-free, async-signal-safe.

// Opens the live region, and shows the root in it. Before the first tenant is made; takes tenants_mutex.
void open_live_region(LiveMode mode, uint32_t flags, const char* version);

}  // namespace tenure
