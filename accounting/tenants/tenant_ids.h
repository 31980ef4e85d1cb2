// The ids of tenants. The lowest free id is given out, so that arrays indexed by id are no longer than the number of live tenants requires.
// An id is free again a grace period after its tenant went offline.
#pragma once

#include <cstdint>

#include "base/words/ids.h"
#include "rcu/rcu_array.h"

namespace tenure {

struct Tenant;

constexpr uint32_t kMostTenants = 1u << 20;

// Takes the lowest free id, not below 1. False: none left, or metadata exhausted. Under
// tenants_mutex.
bool take_tenant_id(TenantId* id);
// Makes the id free. Lock-free; any context.
void release_tenant_id(TenantId id);

// The tenants by id, without the root. A slot is set from creation to offline. A fork child rebuilds all other structures from this table.
extern constinit RcuArray<Tenant> tenants_by_id;

// The online tenant with this id, or nullptr. In a read section.
Tenant* tenant_by_id(TenantId id);

}  // namespace tenure
