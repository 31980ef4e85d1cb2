// A fork child inherits the half-done control operation of another thread. The table of ids is authoritative: one store changes it for each
// tenant that comes or goes. All other structures are rebuilt from it. This file also has validate(), which checks the same relations.
#include <errno.h>

#include "accounting/tenants/tenant_ids.h"
#include "accounting/tenants/tenant_links.h"
#include "accounting/tenants/tenant_names.h"
#include "accounting/tenants/tenant_tree.h"
#include "base/system/check.h"

namespace tenure {
namespace {

void reset_links(Tenant& tenant) {
  tenant.first_child.store(nullptr, std::memory_order_relaxed);
  tenant.children.store(0, std::memory_order_relaxed);
}

// Marks the tenants in the lists, in a field that only a dying tenant uses.
void mark_children(Tenant& parent) {
  for (Tenant* t = parent.first_child.load(std::memory_order_relaxed); t != nullptr;
       t = t->next_sibling.load(std::memory_order_relaxed)) {
    t->item.cookie = 1;
  }
}

void rebuild_tree() {
  tenants_by_id.for_each([](uint32_t, Tenant* tenant) {
    tenant->item.cookie = 0;
    return true;
  });
  mark_children(root_tenant);
  tenants_by_id.for_each([](uint32_t, Tenant* tenant) {
    mark_children(*tenant);
    return true;
  });
  clear_names();
  reset_links(root_tenant);
  tenants_by_id.for_each([](uint32_t, Tenant* tenant) {
    reset_links(*tenant);
    return true;
  });
  tenants_by_id.for_each([](uint32_t, Tenant* tenant) {
    // A creation that was cut off before the list may lack its pin on the parent. One pin too many only keeps memory.
    if (tenant->item.cookie == 0 && tenant->online()) tenant->parent()->pin();
    link_child(*tenant->parent(), *tenant);
    add_name(*tenant);  // There was room for each before it came into the table.
    return true;
  });
}

void complete_control_operation() {
  rebuild_tree();
  for (;;) {
    Tenant* dying = nullptr;  // Children of a dying tenant went before it, so any order does.
    tenants_by_id.for_each([&dying](uint32_t, Tenant* tenant) {
      if (!tenant->online()) dying = tenant;
      return dying == nullptr;
    });
    if (dying == nullptr) break;
    complete_offline(*dying);
  }
  // Done only now, because the contexts of empty tenants have just died, and are in the lists as well.
  ContextList::forget_dead();
  for_each_in_subtree(root_tenant, [](Tenant& tenant) {
    tenant.contexts.repair(&tenant);
    return true;
  });
}

}  // namespace

// Contexts' words are authoritative. A word is raised before its charge enters the counters, and lowered after the charge has left them. So
// a cut-off thread had not yet lowered a word whose charge was still in a counter.
uint64_t mend_counters(Tenant& tenant) {
  uint64_t usage = 0;
  for (const AccountingContext* c = tenant.contexts.first(); c != nullptr; c = c->next())
    usage += c->held();
  for (Tenant* child = tenant.first_child.load(std::memory_order_relaxed); child != nullptr;
       child = child->next_sibling.load(std::memory_order_relaxed)) {
    usage += mend_counters(*child);
  }
  tenant.counter.mend(usage);
  return usage;
}

void tenants_after_fork_child(bool sections_cut_off) {
  if (tenants_mutex.is_held()) {  // An operation was under way.
    tenants_mutex.reset_after_fork();
    complete_control_operation();
  }
  if (!sections_cut_off) return;
  drop_forgotten_reclaim_states();
  ensure_own_counters();
  mend_counters(root_tenant);
}

namespace {

struct Listed {
  const char* wrong;  // nullptr: nothing.
  uint64_t bytes;
};

Listed check_children(const Tenant& tenant) {
  uint32_t children = 0;
  uint64_t usage = 0;
  const Tenant* previous = nullptr;
  for (const Tenant* child = tenant.first_child.load(std::memory_order_relaxed); child != nullptr;
       child = child->next_sibling.load(std::memory_order_relaxed)) {
    if (child->parent() != &tenant || child->previous_sibling != previous)
      return {"the tenants' tree is wrong", 0};
    usage += child->counter.usage();
    previous = child;
    ++children;
  }
  if (children != tenant.children.load(std::memory_order_relaxed))
    return {"a tenant's count of children is wrong", 0};
  return {nullptr, usage};
}

Listed check_contexts(const Tenant& tenant) {
  uint64_t held = 0;
  for (const AccountingContext* c = tenant.contexts.first(); c != nullptr; c = c->next()) {
    if (c->tenant() != &tenant) return {"a context is in another tenant's list", 0};
    held += c->held();
  }
  // A tenant has at least its own context. The root gets its context with the first tenant.
  if (tenant.contexts.first() == nullptr && &tenant != &root_tenant)
    return {"a tenant has no context", 0};
  return {nullptr, held};
}

const char* check_tenant(const Tenant& tenant, bool quiet) {
  const Listed below = check_children(tenant);
  if (below.wrong) return below.wrong;
  const Listed held = check_contexts(tenant);
  if (held.wrong) return held.wrong;
  // Every byte of usage is held by one context, here or below.
  const uint64_t usage = tenant.counter.usage();
  if (quiet && usage < below.bytes + held.bytes)
    return "a tenant's usage is less than what is held";
  if (quiet && usage > below.bytes + held.bytes)
    return "a tenant's usage is more than what is held";
  if (&tenant == &root_tenant) return nullptr;
  if (tenant_by_id(tenant.id()) != &tenant) return "a tenant is not in the table of ids";
  if (find_child(*tenant.parent(), tenant.name(), tenant.name_length) != &tenant)
    return "a tenant is not found by its name";
  return nullptr;
}

}  // namespace

const char* check_tenants(bool quiet) {
  MutexGuard guard(tenants_mutex);
  if (!tenants_by_id.validate()) return "the tenants' table of ids is wrong";
  uint32_t listed = 0, tabled = 0;
  const char* wrong = nullptr;
  for_each_in_subtree(root_tenant, [&](Tenant& tenant) {
    ++listed;
    wrong = check_tenant(tenant, quiet);
    return wrong == nullptr;
  });
  if (wrong) return wrong;
  tenants_by_id.for_each([&tabled](uint32_t, Tenant*) { return ++tabled != 0; });
  return listed == tabled + 1 ? nullptr : "a tenant is in the table of ids and not in the tree";
}

}  // namespace tenure
