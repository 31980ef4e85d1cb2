// The stall times of a tenant in the live region.
#pragma once

#include "accounting/tenants/tenant.h"

namespace tenure {

// Shows the tenant's stalls to other processes. Lock-free, async-signal-safe.
void show_stall(Tenant& tenant);

}  // namespace tenure
