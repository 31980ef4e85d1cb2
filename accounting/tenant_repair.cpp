// A fork child inherits whatever a control operation of another thread had done so far. The table
// of ids is the truth, changed by one store for each tenant that comes or goes; everything else is
// rebuilt from it. And validate(), which checks the same relations.
#include <errno.h>

#include "accounting/tenant_ids.h"
#include "accounting/tenant_links.h"
#include "accounting/tenant_names.h"
#include "accounting/tenant_tree.h"
#include "base/check.h"

namespace tenure {
namespace {

void reset_links(Tenant& tenant) {
  tenant.first_child.store(nullptr, std::memory_order_relaxed);
  tenant.children.store(0, std::memory_order_relaxed);
}

// Marks what the lists hold, in a field that only a dying tenant uses.
void mark_children(Tenant& parent) {
  for (Tenant* t = parent.first_child.load(std::memory_order_relaxed); t != nullptr;
       t = t->next_sibling.load(std::memory_order_relaxed)) {
    t->item.cookie = 1;
  }
}

}  // namespace

void tenants_after_fork_child() {
  if (tenants_mutex.try_lock()) {  // No operation was under way.
    tenants_mutex.unlock();
    return;
  }
  tenants_mutex.reset_after_fork();
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
    // A creation that was cut off before the list may lack its pin on the parent. One too many only
    // keeps memory.
    if (tenant->item.cookie == 0 && tenant->online()) tenant->parent()->pin();
    link_child(*tenant->parent(), *tenant);
    add_name(*tenant);  // There was room for each before it came into the table.
    return true;
  });
  for (;;) {
    Tenant* dying = nullptr;  // Children of a dying tenant went before it, so any order does.
    tenants_by_id.for_each([&dying](uint32_t, Tenant* tenant) {
      if (!tenant->online()) dying = tenant;
      return dying == nullptr;
    });
    if (dying == nullptr) break;
    complete_offline(*dying);
  }
  // Only now: the contexts of tenants that were empty have just died, and are in the lists as well.
  ContextList::forget_dead();
  for_each_in_subtree(root_tenant, [](Tenant& tenant) {
    tenant.contexts.repair(&tenant);
    return true;
  });
}

bool validate_tenants(bool quiet) {
  MutexGuard guard(tenants_mutex);
  if (!tenants_by_id.validate()) return false;
  uint32_t listed = 0, tabled = 0;
  bool good = true;
  for_each_in_subtree(root_tenant, [&](Tenant& tenant) {
    ++listed;
    uint32_t children = 0;
    uint64_t below = 0, held = 0;
    const Tenant* previous = nullptr;
    for (const Tenant* child = tenant.first_child.load(std::memory_order_relaxed); child != nullptr;
         child = child->next_sibling.load(std::memory_order_relaxed)) {
      good &= child->parent() == &tenant && child->previous_sibling == previous;
      below += child->counter.usage();
      previous = child;
      ++children;
    }
    const AccountingContext* previous_context = nullptr;
    for (const AccountingContext* c = tenant.contexts.first(); c != nullptr; c = c->next()) {
      good &= c->tenant() == &tenant;
      held += c->held();
      previous_context = c;
    }
    // At least its own; the root's comes with the first tenant.
    good &= previous_context != nullptr || &tenant == &root_tenant;
    good &= children == tenant.children.load(std::memory_order_relaxed);
    // Every byte of usage is held by one context, here or below.
    good &= !quiet || tenant.counter.usage() == below + held;
    if (&tenant != &root_tenant) {
      good &= tenant_by_id(tenant.id()) == &tenant;
      good &= find_child(*tenant.parent(), tenant.name(), tenant.name_length) == &tenant;
    }
    return true;
  });
  tenants_by_id.for_each([&tabled](uint32_t, Tenant*) { return ++tabled != 0; });
  return good && listed == tabled + 1;
}

}  // namespace tenure
