// Finds a child by its name: one hash table for the whole tree, keyed by (parent, name), read
// without locks.
//
// Open addressing over an array of pointers: no link in the tenant, and a table that has to grow, shrink or lose its tombstones is copied
// and published as a whole; the old one is freed after a grace period. A reader in an old table may find a tenant that has left since, or
// miss a new one. The tenant's state reveals the first case. The second case equals an earlier lookup.
#pragma once

#include <cstddef>

namespace tenure {

struct Tenant;

// The online child of that name (need not end with 0), or nullptr. In a read section. Lock-free.
Tenant* find_child(const Tenant& parent, const char* name, size_t length);

// Under tenants_mutex. Makes room for one more name; false if metadata is exhausted.
bool reserve_name();
// After reserve_name(). The tenant's parent and name are set.
void add_name(Tenant& tenant);
void remove_name(Tenant& tenant);

// Bytes of the table.
size_t names_bytes();
// In a fork child: empties the table in place, for add_name() of every tenant in it.
void clear_names();

}  // namespace tenure
