// The tenant this thread is in. rcu/rseq_ops.h has the word, whose one half the fast path reads.
#pragma once

#include "accounting/tenant.h"
#include "base/meta_arena.h"
#include "rcu/rseq_ops.h"

namespace tenure {

inline CurrentScope scope_of(const Tenant& tenant) {
  static_assert(__builtin_offsetof(Tenant, number) == __builtin_offsetof(Tenant, front) + 4);
  const auto& word = reinterpret_cast<const ScopeWord&>(tenant.front);
  return __builtin_bit_cast(CurrentScope, __atomic_load_n(&word, __ATOMIC_RELAXED));
}
inline Tenant& tenant_of(CurrentScope scope) {
  if (scope.tenant == 0) return root_tenant;
  if (TENURE_UNLIKELY(scope.tenant == kNobodysNumber)) return nobody;
  const uint64_t place = (scope.tenant & kPlaceMask) - uint64_t{1};
  auto& tenant = *reinterpret_cast<Tenant*>(meta_arena.base() + place * kCacheLine);
  // A scope that outlived its tenant by far: there may be another's, or anything. What is allocated inside is the root's.
  return TENURE_LIKELY(tenant.number == scope.tenant) ? tenant : root_tenant;
}
inline Tenant& current_tenant() { return tenant_of(current_scope); }

// Returns what leave() needs. The tenant is pinned for as long as the scope lasts.
inline CurrentScope enter(Tenant& tenant) {
  const CurrentScope outer = load_scope();
  store_scope(scope_of(tenant));
  return outer;
}
inline void leave(CurrentScope outer) { store_scope(outer); }

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
