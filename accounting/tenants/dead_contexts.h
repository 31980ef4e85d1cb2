// Walks the contexts that offline tenants have left behind. Included by accounting/tenants/tenant_tree.h.
#pragma once

#include "accounting/tenants/tenant_tree.h"

namespace tenure {

template <typename Fn>
void for_each_dead_context(Fn fn) {
  MutexGuard guard(tenants_mutex);
  for_each_in_subtree(root_tenant, [&fn](Tenant& tenant) {
    const AccountingContext* own = tenant.context.load(std::memory_order_relaxed);
    for (AccountingContext* c = tenant.contexts.first(); c != nullptr; c = c->next()) {
      if (c == own || !c->pin()) continue;  // The pin keeps the name readable.
      fn(DeadContext{c->origin_name(), c->origin_id(), &tenant, c->held(), c});
      c->unpin();
    }
    return true;
  });
}

// Calls fn(const AccountingContext&) for each context of online tenants. Takes tenants_mutex.
template <typename Fn>
void for_each_context(Fn fn) {
  MutexGuard guard(tenants_mutex);
  for_each_in_subtree(root_tenant, [&fn](Tenant& tenant) {
    for (const AccountingContext* c = tenant.contexts.first(); c != nullptr; c = c->next()) fn(*c);
    return true;
  });
}

}  // namespace tenure
