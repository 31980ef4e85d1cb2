// The tenant this thread is in. rcu/rseq_ops.h has the word, whose one half the fast path reads.
#pragma once

#include "accounting/tenants/tenant.h"
#include "allocator/slabs/arena.h"
#include "rcu/rseq_ops.h"

namespace tenure {

inline CurrentScope scope_of(const Tenant& tenant) {
  static_assert(__builtin_offsetof(Tenant, number) == __builtin_offsetof(Tenant, front) + 4);
  const auto& word = reinterpret_cast<const ScopeWord&>(tenant.front);
  return __builtin_bit_cast(CurrentScope, __atomic_load_n(&word, __ATOMIC_RELAXED));
}
// Of a scope that is not the root's.
inline Tenant& tenant_inside(CurrentScope scope) {
  if (TENURE_UNLIKELY(scope.tenant == kNobodysNumber)) return nobody;
  auto& tenant = *reinterpret_cast<Tenant*>(hot.meta_base +
                                            (scope.tenant & kPlaceMask) * uint64_t{kCacheLine});
  // A scope that outlived its tenant by far: there may be another's, or anything. Allocations inside are the root's.
  return TENURE_LIKELY(tenant.number == scope.tenant) ? tenant : root_tenant;
}
inline Tenant& tenant_of(CurrentScope scope) {
  return scope.tenant == 0 ? root_tenant : tenant_inside(scope);
}
inline Tenant& current_tenant() { return tenant_of(load_scope()); }

inline void go_to(CurrentScope scope) {
  store_scope(scope);
  if (scope.front == 0) this_thread.quick_sizes = 0;
}
// Returns what leave() needs. The tenant is pinned for as long as the scope lasts.
inline CurrentScope enter(Tenant& tenant) {
  const CurrentScope outer = load_scope();
  go_to(scope_of(tenant));
  return outer;
}
inline void leave(CurrentScope outer) { go_to(outer); }

// The scope for the length of an object.
class ScopedTenant {
public:
  explicit ScopedTenant(Tenant& tenant) : outer_(enter(tenant)) {}
  ~ScopedTenant() { leave(outer_); }
  ScopedTenant(const ScopedTenant&) = delete;
  ScopedTenant& operator=(const ScopedTenant&) = delete;

private:
  const CurrentScope outer_;
};

}  // namespace tenure
