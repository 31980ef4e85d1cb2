// The tree's links and the steps shared by offline and by a fork child. For accounting/tenant_*
// only. Under tenants_mutex.
#pragma once

#include "accounting/tenants/tenant.h"

namespace tenure {

inline Tenant& tenant_of_item(DeferredItem* item) {
  return *reinterpret_cast<Tenant*>(reinterpret_cast<char*>(item) -
                                    __builtin_offsetof(Tenant, item));
}

// Stores with release: readers see the child whole.
inline void link_child(Tenant& parent, Tenant& child) {
  Tenant* first = parent.first_child.load(std::memory_order_relaxed);
  child.previous_sibling = nullptr;
  child.next_sibling.store(first, std::memory_order_release);
  if (first) first->previous_sibling = &child;
  parent.first_child.store(&child, std::memory_order_release);
  parent.children.fetch_add(1, std::memory_order_relaxed);
}

// The child keeps its own `next_sibling`, so that readers at the child can go on. A sibling that leaves later still has its link, and none
// of them is freed before those readers have ended.
inline void unlink_child(Tenant& parent, Tenant& child) {
  Tenant* next = child.next_sibling.load(std::memory_order_relaxed);
  if (child.previous_sibling) {
    child.previous_sibling->next_sibling.store(next, std::memory_order_release);
  } else {
    parent.first_child.store(next, std::memory_order_release);
  }
  if (next) next->previous_sibling = child.previous_sibling;
  parent.children.fetch_sub(1, std::memory_order_relaxed);
}

// In a fork child: sets the counters of the tenant and all below to the bytes that contexts hold. Returns the usage.
uint64_t mend_counters(Tenant& tenant);

// The steps after the tenant's state has become dying. Every step may be repeated, which a fork
// child does.
void complete_offline(Tenant& tenant);

}  // namespace tenure
