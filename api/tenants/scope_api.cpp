// The functions of scope.h.
#include "tenure/scope.h"

#include "allocator/heap/heap.h"
#include "allocator/slabs/current.h"
#include "api/tenants/handles.h"
#include "api/tenants/scopes.h"

using namespace tenure;

static_assert(sizeof(tenure_scope) == sizeof(CurrentScope));

namespace {

uint64_t word_of(CurrentScope scope) {
  uint64_t word;
  __builtin_memcpy(&word, &scope, sizeof word);
  return word;
}
CurrentScope scope_from(uint64_t word) {
  CurrentScope scope;
  __builtin_memcpy(&scope, &word, sizeof scope);
  return scope;
}

}  // namespace

// NULL changes nothing. At the hardened level it enters the current tenant once more.
static TENURE_NOINLINE tenure_scope enter_slow(tenure_tenant* tenant) {
  if (!arena.hardened) return {word_of(load_scope())};
  if (tenant == nullptr) return {word_of(enter_checked(current_tenant()))};
  check_handle(tenant, "tenure_enter");
  return {word_of(enter_checked(tenant_of(tenant)))};
}

TENURE_EXPORT TENURE_OWN_LINE tenure_scope tenure_enter(tenure_tenant* tenant) {
  if (TENURE_UNLIKELY(tenant == nullptr || arena.hardened)) return enter_slow(tenant);
  return {word_of(enter(tenant_of(tenant)))};
}

TENURE_EXPORT TENURE_OWN_LINE void tenure_leave(tenure_scope outer) {
  if (TENURE_UNLIKELY(arena.hardened)) return leave_checked(scope_from(outer.word), "tenure_leave");
  leave(scope_from(outer.word));
}

TENURE_EXPORT tenure_tenant* tenure_current(void) { return handle_of(current_tenant()); }

TENURE_EXPORT tenure_captured tenure_capture(void) {
  Tenant& tenant = current_tenant().pin_nearest();
  tenant.handles.fetch_add(1, std::memory_order_relaxed);
  return {word_of(scope_of(tenant))};
}

TENURE_EXPORT tenure_scope tenure_restore(tenure_captured captured) {
  Tenant& tenant = tenant_of(scope_from(captured.word));
  return {word_of(arena.hardened ? enter_checked(tenant) : enter(tenant))};
}

TENURE_EXPORT void tenure_release(tenure_captured captured) {
  close_handle(tenant_of(scope_from(captured.word)), "tenure_release");
}
