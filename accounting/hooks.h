// The calls that run up: accounting makes them, and a higher room or layer does the work. All other calls run down.
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
  // After the contexts have been reparented: moves the items of the tenant's LRUs to the parent's.
  void (*drain_lrus)(Tenant& tenant) = nullptr;
};

// Once, at bootstrap, before the first tenant.
void register_offline_hooks(const OfflineHooks& hooks);

// A request that was refused after all steps of reclaim.
struct Refusal {
  uint64_t bytes;
  unsigned shrinks;  // The number of times that shrinkers were asked.
};

struct ReclaimHooks {
  // Gives back memory that the subtree of `top` caches (fronts, depots, empty slabs): at least `bytes`, if possible. Returns the bytes
  // uncharged. Runs inside malloc, perhaps in a signal handler: lock-free.
  size_t (*purge_caches)(Tenant& top, size_t bytes) = nullptr;
  // Makes the LRUs of the subtree drop objects, and respects protection: accounting/shrinkers/shrink. Runs user code.
  size_t (*shrink)(Tenant& top, size_t bytes) = nullptr;
  // Gives back free objects that departed tenants have left in caches. Runs under tenants_mutex, and does not wait for it: if another
  // thread holds the mutex, that thread reaps at its end. Not for malloc.
  size_t (*reap)(Tenant& top, size_t bytes) = nullptr;
  // Uncharges the bytes charged in advance in the subtree. No object has to be given up for them.
  void (*empty_stocks)(Tenant& top) = nullptr;
  // The tenant stays above high, though its caches were given up. Runs inside malloc, as purge_caches.
  void (*watch_above_high)(Tenant& tenant) = nullptr;
  // Leaves a report behind. Runs inside malloc, as purge_caches.
  void (*report_failure)(Tenant& tenant, const Refusal& refusal) = nullptr;
};

// Once, at bootstrap, before the second thread.
void register_reclaim_hooks(const ReclaimHooks& hooks);

// Writes more about a tenant whose policy is about to end the process to standard error. Called inside malloc, perhaps in a signal handler.
// Set once, with release.
extern constinit std::atomic<void (*)(const Tenant& tenant)> report_at_limit;

// accounting/pressure/reclaim_state.cpp, called by accounting/tenants: a tenant's reclaim state ends with the tenant.
//
// Called at offline, under tenants_mutex, after the parent's state contains everything that the tenant's state says.
void drop_reclaim_state(Tenant& tenant);
// In a fork child: removes the states that a vanished thread had published for a departed tenant, and would have removed itself.
void drop_forgotten_reclaim_states();

}  // namespace tenure
