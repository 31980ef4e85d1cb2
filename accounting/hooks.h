// The calls that run up: accounting makes them, and a higher room or layer does the work. Every other call leads down.
//
// Two hooks tables are filled at bootstrap by the allocator (allocator/caches/tenant_heap.cpp). Two functions are
// defined by a higher room of accounting itself.
#pragma once

#include <cstddef>

namespace tenure {

struct Tenant;

// The work of the layers above when a tenant goes, in this order, each with tenants_mutex held and the
// tenant already dying. nullptr: nothing. docs/accounting.md has the whole order.
struct OfflineHooks {
  // Everything indexed by the tenant's id goes to the parent's from now on (a tenant's
  // nearest_online() has changed).
  void (*switch_ids)(Tenant& tenant) = nullptr;
  // Closes and drains the fronts and depots of the tenant.
  void (*close_fronts)(Tenant& tenant) = nullptr;
  // Clears the array slots that still hold the tenant's caches, marks the caches dead, shrinks
  // them.
  void (*kill_caches)(Tenant& tenant) = nullptr;
  // After the contexts have been reparented: moves what is on the tenant's LRUs to the parent's.
  void (*drain_lrus)(Tenant& tenant) = nullptr;
};

// Once, at bootstrap, before the first tenant.
void register_offline_hooks(const OfflineHooks& hooks);

struct ReclaimHooks {
  // Gives back what the subtree of `top` caches (fronts, depots, empty slabs): at least `bytes` if
  // it can. Returns the bytes uncharged. Runs inside malloc, perhaps in a signal handler:
  // lock-free.
  size_t (*purge_caches)(Tenant& top, size_t bytes) = nullptr;
  // Has the LRUs of the subtree drop objects, respecting protection: accounting/shrinkers/shrink. Runs user
  // code.
  size_t (*shrink)(Tenant& top, size_t bytes) = nullptr;
  // Gives back what departed tenants have left in caches. Under tenants_mutex, for which it does not
  // wait: where that is held, whoever holds it reaps at its end. Not for malloc.
  size_t (*reap)(Tenant& top, size_t bytes) = nullptr;
  // Uncharges the bytes charged in advance in the subtree: nothing need be given up for them.
  void (*empty_stocks)(Tenant& top) = nullptr;
};

// Once, at bootstrap, before the second thread.
void register_reclaim_hooks(const ReclaimHooks& hooks);

// accounting/pressure/reclaim_state.cpp, called by accounting/tenants: a tenant's reclaim state ends with the tenant.
//
// At offline, under tenants_mutex, after everything the state says has been said of the parent.
void drop_reclaim_state(Tenant& tenant);
// In a fork child: takes away the states that a vanished thread had published for a tenant that went, and would have
// taken away itself.
void drop_forgotten_reclaim_states();

}  // namespace tenure
