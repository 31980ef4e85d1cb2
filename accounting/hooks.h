// The calls that run up: accounting makes them, and a higher room or layer does the work. Every other call leads down.
//
// Two hooks tables are filled at bootstrap by the allocator (allocator/caches/tenant_heap.cpp). Two functions are
// defined by a higher room of accounting itself.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tenure {

struct Tenant;

// The work of higher layers and rooms when a tenant goes offline, in this order. tenants_mutex is held, and the tenant is dying already.
// nullptr: no work. docs/accounting.md has the whole order.
struct OfflineHooks {
  // Closes the tenant's fronts, clears the array slots that hold its caches, and marks these caches dead.
  void (*kill_caches)(Tenant& tenant) = nullptr;
  // After the contexts have been reparented: moves what is on the tenant's LRUs to the parent's.
  void (*drain_lrus)(Tenant& tenant) = nullptr;
};

// Once, at bootstrap, before the first tenant.
void register_offline_hooks(const OfflineHooks& hooks);

// A request that was refused after all was tried.
struct Refusal {
  uint64_t bytes;
  unsigned shrinks;  // How often shrinkers were asked.
};

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
  // The tenant stays above high, though its caches were given up. Runs inside malloc, as purge_caches.
  void (*watch_above_high)(Tenant& tenant) = nullptr;
  // Leaves a report behind. Runs inside malloc, as purge_caches.
  void (*report_failure)(Tenant& tenant, const Refusal& refusal) = nullptr;
};

// Once, at bootstrap, before the second thread.
void register_reclaim_hooks(const ReclaimHooks& hooks);

// Says more of a tenant whose policy is about to end the process, on standard error. Inside malloc, perhaps in a signal handler. Set once,
// with release.
extern constinit std::atomic<void (*)(const Tenant& tenant)> report_at_limit;

// accounting/pressure/reclaim_state.cpp, called by accounting/tenants: a tenant's reclaim state ends with the tenant.
//
// At offline, under tenants_mutex, after everything the state says has been said of the parent.
void drop_reclaim_state(Tenant& tenant);
// In a fork child: takes away the states that a vanished thread had published for a tenant that went, and would have
// taken away itself.
void drop_forgotten_reclaim_states();

}  // namespace tenure
