// Tenants whose last pin has gone, kept for a while as they were.
//
// A program may go on using a handle or a scope that it has given up: a mistake, which must not charge a stranger. A tenant's
// memory is therefore not another's as long as it is one of the last kKeptTenants to go: what is asked of it is charged to
// its nearest online ancestor, as of any tenant that is offline. Ancestors go after it, so they are kept as long. The
// generation in a tenant's number tells an older scope (Tenant::number).
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

struct Tenant;

constexpr uint32_t kKeptTenants = 1024;

// Keeps the tenant, and returns one that was kept long enough and is to be freed, or nullptr. Lock-free.
Tenant* keep_departed(Tenant& tenant);

// Of the numbers given out now. Numbers of two tenants that lie in the same place one after the other differ, and go on to differ
// for sixteen times kKeptTenants departures.
uint32_t scope_generation();

// Metadata of those that are kept: which is free as far as statistics go.
size_t departed_tenants_bytes();

}  // namespace tenure
