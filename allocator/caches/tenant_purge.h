// A purge of one tenant: its free objects leave the CPU fronts and depots. allocator/fronts/caching_tenants.h has the protocol.
#pragma once

#include <cstddef>

#include "accounting/tenants/tenant.h"

namespace tenure {

// Empties the fronts and depots of the tenant, if they are not known to be empty. Returns the bytes of slabs that became empty. In a
// read section. Lock-free.
size_t purge_tenant(Tenant& tenant);

// Helps grace periods along that purges wait for. Not in a read section.
void advance_caching();

// Whether no tenant is taken for clean that has something, and all others have their bits. At rest.
bool validate_caching();

}  // namespace tenure
