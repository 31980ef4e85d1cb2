// Tenants without pins, whose memory is kept unchanged for a while.
//
// A program may by mistake go on using a handle or a scope that it has given up. The mistake must not charge an unrelated tenant. So the
// memory of the last kKeptTenants departed tenants is not reused: requests for such a tenant are charged to its nearest online ancestor, as
// for any offline tenant. Ancestors depart after their descendants, so they are kept as long. The generation in a tenant's number detects
// an older scope (Tenant::number).
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

struct Tenant;

constexpr uint32_t kKeptTenants = 1024;

// Keeps the tenant. Returns a tenant that was kept long enough, which the caller frees, or nullptr. Lock-free.
Tenant* keep_departed(Tenant& tenant);

// The generation of numbers that are given out now. If two tenants use the same place one after the other, their numbers differ, for
// sixteen times kKeptTenants departures.
uint32_t scope_generation();

// Metadata of the kept tenants. Statistics count it as free.
size_t departed_tenants_bytes();

}  // namespace tenure
