// The tenant this thread is in. rcu/rseq_ops.h has the word, whose one half the fast path reads.
#pragma once

#include "accounting/tenant.h"
#include "base/meta_arena.h"
#include "rcu/rseq_ops.h"

namespace tenure {

// Tenants lie in the metadata arena, 64 bytes apart or more, so a number of 32 bits names one.
inline CurrentScope scope_of(Tenant& tenant) {
  const uint32_t front = tenant.front.load(std::memory_order_relaxed);
  if (&tenant == &root_tenant) return {kRootFrontOffset, 0};
  const auto offset = reinterpret_cast<uint64_t>(&tenant) - meta_arena.base();
  return {front, static_cast<uint32_t>(offset / kCacheLine + 1)};
}
inline Tenant& tenant_of(CurrentScope scope) {
  if (scope.tenant == 0) return root_tenant;
  return *reinterpret_cast<Tenant*>(meta_arena.base() + (scope.tenant - uint64_t{1}) * kCacheLine);
}
inline Tenant& current_tenant() { return tenant_of(current_scope); }

// Returns what leave() needs. The tenant is pinned for as long as the scope lasts.
inline CurrentScope enter(Tenant& tenant) {
  const CurrentScope outer = current_scope;
  current_scope = scope_of(tenant);
  return outer;
}
inline void leave(CurrentScope outer) { current_scope = outer; }

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
