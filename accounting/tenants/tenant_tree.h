// The tree of tenants: creation, offline, lookup, iteration. Errors are negative errno values.
//
// Control operations take tenants_mutex, so they are not for signal handlers. Lookup and iteration
// are lock-free.
#pragma once

#include <cstddef>
#include <cstdint>

#include "accounting/hooks.h"
#include "accounting/tenants/tenant.h"
#include "rcu/grace.h"

namespace tenure {

// Gives the root its context, if it has none. create_tenant() calls it, under tenants_mutex, because a tenant's charges may have to move to
// the root. False: the table of contexts is exhausted.
bool start_tenants();

// Makes a child of `parent`. The name has 1 to 63 bytes without '/', is not "." or "..", and is
// unique among the parent's online children. `*tenant` has a pin for the caller. -EINVAL bad name;
// -EEXIST name taken; -ENODEV parent not online; -EMLINK deeper than kDeepest; -ENOSPC no id left;
// -ENOMEM metadata exhausted (nothing is left behind).
// `flags`: k...Tenant.
int create_tenant(Tenant& parent, const char* name, uint32_t flags, Tenant** tenant);
inline int create_tenant(Tenant& parent, const char* name, Tenant** tenant) {
  return create_tenant(parent, name, 0, tenant);
}

constexpr unsigned kOfflineRecursive = 1;

// Takes the tenant (with kOfflineRecursive: and all below it, children first) offline. Does not wait for grace periods. Takes time in
// proportion to the tenant's contexts, not to its objects. The caller's pin stays. -EINVAL the root or unknown flags; -EBUSY it has
// children; -EALREADY it is not online.
int offline_tenant(Tenant& tenant, unsigned flags);

// The online tenant at an absolute path ("/", "/shop/acme"), pinned for the caller, or nullptr. If the root has a name, the path may begin
// with it or leave it out. A child of the root with the same name comes first. Lock-free; async-signal-safe.
Tenant* find_tenant(const char* path);

// Work that piles up for control operations: frees dead contexts, and runs deferred items whose grace period has passed. Called at the end
// of each create and offline, and by reapers. Does not wait.
void reap_tenants();
// The same, and waits for grace periods. Afterwards everything that could be freed is freed. Not in a read section.
void flush_tenants();

// Online tenants, without the root.
uint32_t tenants_online();

// In a fork child, after grace:: and deferred::after_fork_child(): makes tenants_mutex anew and repairs a control operation that another
// thread had half done: a creation is undone or completed, an offline is completed. `sections_cut_off` is the result of
// grace::after_fork_child(). If true, counters are also repaired, because a charge may have been entered at some levels only, and state
// published for a departed tenant is removed. The bytes held by contexts are authoritative. Bytes that a vanished thread held stay held.
void tenants_after_fork_child(bool sections_cut_off);

// The fault found in lists, counts, table and contexts, or nullptr. Takes tenants_mutex. `quiet`: no
// charge is under way, so every byte of usage must also be held by exactly one context.
const char* check_tenants(bool quiet = true);
inline bool validate_tenants(bool quiet = true) { return check_tenants(quiet) == nullptr; }

// The tenant after `at` in a walk of `top` and all below it, parents first; nullptr at the end. In
// a read section.
Tenant* next_in_subtree(Tenant& top, Tenant* at);

// Calls fn(tenant) for `top` and every online tenant below it until it returns false. One read section: fn must not wait. Tenants that come
// or go meanwhile may or may not be visited.
template <typename Fn>
void for_each_in_subtree(Tenant& top, Fn fn) {
  grace::ReadSection section;
  for (Tenant* tenant = &top; tenant != nullptr; tenant = next_in_subtree(top, tenant)) {
    if (tenant->online() && !fn(*tenant)) return;
  }
}

// A context whose tenant is gone, for introspection.
struct DeadContext {
  const char* origin_name;  // Valid during the call.
  uint32_t origin_id;
  Tenant* payer;                     // The tenant that pays now.
  uint64_t bytes;                    // Charged.
  const AccountingContext* context;  // Pinned during the call.
};
// Calls fn(const DeadContext&) for each context that was reparented and still holds bytes. Takes
// tenants_mutex.
template <typename Fn>
void for_each_dead_context(Fn fn);

}  // namespace tenure

#include "accounting/tenants/dead_contexts.h"
