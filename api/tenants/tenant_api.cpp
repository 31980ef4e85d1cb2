// The functions of tenant.h.
#include <errno.h>

#include "accounting/callbacks/user_call.h"
#include "accounting/pressure/pressure.h"
#include "accounting/pressure/reclaim_state.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/dead_caches.h"
#include "allocator/control/statistics.h"
#include "allocator/heap/bootstrap.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/current.h"
#include "allocator/upkeep/helper.h"
#include "api/process/ownership.h"
#include "api/tenants/control_end.h"
#include "api/tenants/handles.h"
#include "base/words/bits.h"

using namespace tenure;

namespace {

// Free objects of departed tenants that a creation gives back. That takes some ten microseconds if they are in no processor's caches.
constexpr size_t kObjectsGivenBack = 64;

// The calling convention is the same: pointers to the shown object.
template <typename Shown>
Visit as_visit(int (*visit)(Shown*, void*)) {
  return reinterpret_cast<Visit>(reinterpret_cast<void (*)()>(visit));
}

}  // namespace

TENURE_EXPORT tenure_tenant* tenure_root(void) { return handle_of(root_tenant); }

TENURE_EXPORT int tenure_tenant_create(tenure_tenant* parent, const char* name, unsigned flags,
                                       tenure_tenant** tenant) {
  if (tenant == nullptr) return -EINVAL;
  *tenant = handle_of(nobody);
  if (!owns_malloc()) return -ENOTSUP;
  if (name == nullptr || (flags & ~(TENURE_DURABLE | TENURE_ISOLATED)) != 0) return -EINVAL;
  if (parent == nullptr) parent = tenure_root();
  if (const int refused = refusal_of(parent)) return refused;
  if (!bootstrap()) return -ENOMEM;
  static_assert(TENURE_DURABLE == kDurableTenant && TENURE_ISOLATED == kIsolatedTenant);
  Tenant* created = nullptr;
  // Done before the creation, so that the cleanup keeps pace with a thread that creates and removes tenants in turn.
  empty_dead_caches(root_tenant, SIZE_MAX, kObjectsGivenBack);
  const int error = finish(create_tenant(tenant_of(parent), name, flags, &created));
  if (error == 0) *tenant = give_handle(*created);
  return error;
}

TENURE_EXPORT int tenure_tenant_offline(tenure_tenant* tenant, unsigned flags) {
  static_assert(TENURE_RECURSIVE == kOfflineRecursive);
  if (const int refused = refusal_of(tenant)) return refused;
  return finish(offline_tenant(tenant_of(tenant), flags));
}

TENURE_EXPORT tenure_tenant* tenure_tenant_find(const char* path) {
  if (path == nullptr) return nullptr;
  Tenant* const tenant = find_tenant(path);
  return tenant ? give_handle(*tenant) : nullptr;
}

TENURE_EXPORT tenure_tenant* tenure_tenant_ref(tenure_tenant* tenant) {
  if (refusal_of(tenant) != 0) return tenant;
  // Without a pin there is nothing that another handle could keep.
  return tenant_of(tenant).pin() ? give_handle(tenant_of(tenant)) : tenant;
}

TENURE_EXPORT void tenure_tenant_close(tenure_tenant* tenant) {
  close_handle(tenant_of(tenant), __func__);
}

TENURE_EXPORT int tenure_tenant_online(tenure_tenant* tenant) {
  return refusal_of(tenant) == 0 && tenant_of(tenant).online();
}

TENURE_EXPORT uint32_t tenure_tenant_id(tenure_tenant* tenant) {
  static_cast<void>(refusal_of(tenant));
  return index_of(tenant_of(tenant).id());
}

TENURE_EXPORT const char* tenure_tenant_name(tenure_tenant* tenant) {
  static_cast<void>(refusal_of(tenant));
  return tenant_of(tenant).name();
}

TENURE_EXPORT size_t tenure_tenant_path(tenure_tenant* tenant, char* buffer, size_t size) {
  static_cast<void>(refusal_of(tenant));
  return tenant_of(tenant).copy_path(buffer, size);
}

TENURE_EXPORT tenure_tenant* tenure_tenant_parent(tenure_tenant* tenant) {
  if (refusal_of(tenant) != 0) return nullptr;
  Tenant* const parent = tenant_of(tenant).parent();
  return parent ? give_handle(parent->pin_nearest()) : nullptr;
}

TENURE_EXPORT int tenure_tenant_for_each(tenure_tenant* top, int (*visit)(tenure_tenant*, void*),
                                         void* argument) {
  if (top == nullptr) top = tenure_root();
  if (const int refused = refusal_of(top)) return refused;
  int result = 0;
  for_each_in_subtree(tenant_of(top), [&](Tenant& tenant) {
    const LentHandle lent(tenant);
    result = call_visit(as_visit(visit), handle_of(tenant), argument);
    return result == 0;
  });
  return result;
}

TENURE_EXPORT int tenure_tenant_set_limit(tenure_tenant* handle, tenure_limit which, size_t bytes) {
  if (!owns_malloc()) return -ENOTSUP;
  if (const int refused = refusal_of(handle)) return refused;
  Tenant& tenant = tenant_of(handle);
  if (&tenant == &root_tenant) return -EINVAL;
  if (!tenant.online()) return -ENODEV;
  switch (which) {
  case TENURE_MIN:
    tenant.counter.set_min(bytes);
    return 0;
  case TENURE_LOW:
    tenant.counter.set_low(bytes);
    return 0;
  case TENURE_HIGH:
    tenant.counter.set_high(bytes);
    if (tenant.counter.usage() > bytes) reclaim_to(tenant, bytes, ReclaimFor::kNewLimit);
    return 0;
  case TENURE_MAX:
    if (tenant.set_max(bytes) > bytes) reclaim_to(tenant, bytes, ReclaimFor::kNewLimit);
    return 0;
  case TENURE_RESERVE:
    tenant.set_reserve(bytes);
    return 0;
  }
  return -EINVAL;
}

TENURE_EXPORT size_t tenure_tenant_limit(tenure_tenant* handle, tenure_limit which) {
  if (refusal_of(handle) != 0) return 0;
  const Tenant& tenant = tenant_of(handle);
  switch (which) {
  case TENURE_MIN:
    return tenant.counter.min();
  case TENURE_LOW:
    return tenant.counter.low();
  case TENURE_HIGH:
    return tenant.counter.high();
  case TENURE_MAX:
    return tenant.counter.max();
  case TENURE_RESERVE:
    return tenant.reserve();
  }
  return 0;
}

static_assert(TENURE_FAIL_LARGE == static_cast<int>(Policy::kFailLarge) &&
              TENURE_FAIL_ALL == static_cast<int>(Policy::kFailAll) &&
              TENURE_OBSERVE == static_cast<int>(Policy::kObserve) &&
              TENURE_EVENT == static_cast<int>(Policy::kEvent) &&
              TENURE_ABORT == static_cast<int>(Policy::kAbort));

TENURE_EXPORT int tenure_tenant_set_policy(tenure_tenant* tenant, tenure_policy policy) {
  if (const int refused = refusal_of(tenant)) return refused;
  if (static_cast<unsigned>(policy) >= kPolicies || &tenant_of(tenant) == &root_tenant)
    return -EINVAL;
  if (!tenant_of(tenant).online()) return -ENODEV;
  tenant_of(tenant).set_policy(static_cast<Policy>(policy));
  return 0;
}

TENURE_EXPORT tenure_policy tenure_tenant_policy(tenure_tenant* tenant) {
  static_cast<void>(refusal_of(tenant));
  return static_cast<tenure_policy>(tenant_of(tenant).policy());
}

TENURE_EXPORT int tenure_tenant_stats(tenure_tenant* handle, struct tenure_tenant_stats* stats) {
  static_assert(TENURE_EVENTS == kEventKinds);
  if (const int refused = refusal_of(handle)) return refused;
  Tenant& tenant = tenant_of(handle);
  TenantStatistics own;
  collect_tenant_statistics(tenant, own);
  struct tenure_tenant_stats full = {};
  // The root's own runs are not charged, because the root has no limit. A departed tenant's charge belongs to its parent.
  if (&tenant == &root_tenant) {
    full.usage = arena.page_heap.stats().used_bytes;
  } else if (tenant.online()) {
    full.usage = own.usage_bytes;
  }
  full.peak = tenant.counter.peak();
  full.allocated = own.allocated_bytes;
  full.cached = own.cached_bytes;
  full.meta = own.meta_bytes;
  full.failures = tenant.counter.failures();
  for (unsigned i = 0; i < kEventKinds; ++i) {
    const auto kind = static_cast<EventKind>(i);
    full.events[i] = tenant.event_count(kind);
    full.subtree_events[i] = full.events[i] + events_below(tenant, kind);
  }
  full.children = tenant.children.load(std::memory_order_relaxed);
  const PressureReport pressure = pressure_of(tenant);
  full.stalled_us = pressure.total_us;
  full.pressure10 = pressure.over_10s;
  full.pressure60 = pressure.over_60s;
  return fill(stats, full);
}

TENURE_EXPORT void tenure_tenant_reset_peak(tenure_tenant* tenant) {
  if (refusal_of(tenant) != 0) return;
  PageCounter& counter = tenant_of(tenant).counter;
  counter.reset_peak(tenant_of(tenant).online() ? counter.usage() : 0);
}

TENURE_EXPORT size_t tenure_reclaim(tenure_tenant* tenant, size_t bytes) {
  if (tenant == nullptr) tenant = tenure_root();
  return refusal_of(tenant) == 0 ? reclaim_bytes(tenant_of(tenant), bytes) : 0;
}

TENURE_EXPORT int tenure_dead_for_each(int (*visit)(const tenure_dead*, void*), void* argument) {
  int result = 0;
  for_each_dead_context([&](const DeadContext& context) {
    // Without bytes it is held for a moment only: the helper or another thread is about to give it up.
    if (result != 0 || context.bytes == 0) return;
    tenure_dead dead = {};
    dead.struct_size = sizeof dead;
    dead.name = context.origin_name;
    dead.id = context.origin_id;
    dead.payer = handle_of(*context.payer);
    const uint64_t unused = unused_bytes_of(*context.context);
    dead.bytes = unused < context.bytes ? context.bytes - unused : 0;
    dead.charged_bytes = context.bytes;
    const LentHandle lent(*context.payer);
    result = call_visit(as_visit(visit), &dead, argument);
  });
  after_control_operation();
  return result;
}

TENURE_EXPORT size_t tenure_reap(void) {
  if (reap_all() == 0) return 0;
  // The helper may have held free objects of a departed tenant, as if they were in use. Its turn ends first.
  { const HelperPause turn_is_over; }
  return reap_all();
}
