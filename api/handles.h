// How handles of the C API and the structures behind them are told apart.
#pragma once

#include <errno.h>

#include "accounting/tenant.h"
#include "allocator/family.h"
#include "tenure/tenure.h"

namespace tenure {

// NULL is no tenant, and charges nobody: what a program takes for a tenant without having one must not be the root.
// docs/decisions/014-no-open-door.md
inline Tenant& tenant_of(struct ::tenure_tenant* handle) {
  return handle ? *reinterpret_cast<Tenant*>(handle) : nobody;
}
inline struct ::tenure_tenant* handle_of(Tenant& tenant) {
  return reinterpret_cast<struct ::tenure_tenant*>(&tenant);
}
// 0, or what functions return that a handle was given which stands for no tenant.
inline int refusal_of(struct ::tenure_tenant* handle) {
  if (handle == nullptr) return -EINVAL;
  return &tenant_of(handle) == &nobody ? -ENODEV : 0;
}
inline CacheFamily& family_of(struct ::tenure_cache* cache) {
  return *reinterpret_cast<CacheFamily*>(cache);
}

// Copies as much of `full` as the caller's struct holds. -EINVAL where that is less than the size itself.
template <typename Struct>
int fill(Struct* to, Struct& full) {
  if (to == nullptr || to->struct_size < sizeof to->struct_size) return -EINVAL;
  full.struct_size = to->struct_size;
  const size_t known = full.struct_size < sizeof full ? full.struct_size : sizeof full;
  __builtin_memcpy(to, &full, known);
  return 0;
}

}  // namespace tenure
