// Room api/tenants: the functions of the public headers. It calls api/process and all layers below. It promises that a user's mistake
// is an error result, never an abort.
//
// The mapping between handles of the C API and the structures behind them.
#pragma once

#include <errno.h>

#include "accounting/tenants/tenant.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/family.h"
#include "tenure/cache.h"
#include "tenure/tenant.h"

namespace tenure {

// Reports a handle that no thread may use: all handles of the tenant were closed, and no scope, nor a callback's scope, keeps it.
void check_handle(struct ::tenure_tenant* handle, const char* call);

// NULL is no tenant, and nobody is charged. A program that has no tenant, and does not notice it, must not use the root.
// docs/decisions/014-no-open-door.md
inline Tenant& tenant_of(struct ::tenure_tenant* handle) {
  return handle ? *reinterpret_cast<Tenant*>(handle) : nobody;
}
inline struct ::tenure_tenant* handle_of(Tenant& tenant) {
  return reinterpret_cast<struct ::tenure_tenant*>(&tenant);
}
// 0, or the error of a handle that stands for no tenant. At the hardened level, a handle that may not be used any more ends the process,
// with a line that names the function.
inline int refusal_of(struct ::tenure_tenant* handle, const char* call = __builtin_FUNCTION()) {
  if (handle == nullptr) return -EINVAL;
  if (&tenant_of(handle) == &nobody) return -ENODEV;
  if (arena.hardened) check_handle(handle, call);
  return 0;
}

// The new handle takes over the pin.
struct ::tenure_tenant* give_handle(Tenant& pinned);
// Closes a handle, with its pin. Closing once too often changes nothing. The hardened level reports that, and also closing the last handle
// while a thread is inside.
void close_handle(Tenant& tenant, const char* call);
inline CacheFamily& family_of(struct ::tenure_cache* cache) {
  return *reinterpret_cast<CacheFamily*>(cache);
}

// Copies as much of `full` as the caller's struct holds. -EINVAL if the struct does not even hold its size.
template <typename Struct>
int fill(Struct* to, Struct& full) {
  if (to == nullptr || to->struct_size < sizeof to->struct_size) return -EINVAL;
  full.struct_size = to->struct_size;
  const size_t known = full.struct_size < sizeof full ? full.struct_size : sizeof full;
  __builtin_memcpy(to, &full, known);
  return 0;
}

}  // namespace tenure
