// How handles of the C API and the structures behind them are told apart.
#pragma once

#include <errno.h>

#include "accounting/tenant.h"
#include "allocator/family.h"
#include "tenure/tenure.h"

namespace tenure {

inline Tenant& tenant_of(struct ::tenure_tenant* handle) {
  return handle ? *reinterpret_cast<Tenant*>(handle) : root_tenant;
}
// The root has no handle to be closed: NULL stands for it.
inline struct ::tenure_tenant* handle_of(Tenant& tenant) {
  return &tenant == &root_tenant ? nullptr : reinterpret_cast<struct ::tenure_tenant*>(&tenant);
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
