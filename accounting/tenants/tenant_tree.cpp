#include "accounting/tenants/tenant_tree.h"

#include <errno.h>
#include <sched.h>

#include "accounting/tenants/context_table.h"
#include "accounting/tenants/departed_tenants.h"
#include "accounting/tenants/own_region.h"
#include "accounting/tenants/tenant_ids.h"
#include "accounting/tenants/tenant_links.h"
#include "accounting/tenants/tenant_names.h"
#include "base/memory/meta_arena.h"
#include "base/system/check.h"
#include "base/system/probes.h"

namespace tenure {
namespace {

constinit OfflineHooks hooks;  // Constant after bootstrap.

bool valid_name(const char* name, size_t length) {
  if (length == 0 || length > kLongestName) return false;
  if (name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'))) return false;
  return __builtin_memchr(name, '/', length) == nullptr;
}

bool set_name(Tenant& tenant, const char* name, size_t length) {
  char* to = tenant.short_name;
  if (length >= sizeof tenant.short_name) {
    to = static_cast<char*>(meta_arena.allocate(length + 1));
    if (to == nullptr) return false;
    tenant.long_name = to;
  }
  __builtin_memcpy(to, name, length);
  to[length] = '\0';
  tenant.name_length = static_cast<uint8_t>(length);
  return true;
}

void call(void (*hook)(Tenant&), Tenant& tenant) {
  if (hook) hook(tenant);
}

// A thread that creates and removes tenants faster than preempted readers let grace periods pass gives those readers the processor, so that
// ids and metadata stay near what is live. This is no wait: a stopped reader only costs memory.
void hold_back() {
  constexpr size_t kBacklog = 256;
  for (int i = 0; i < 8 && deferred::pending() > kBacklog; ++i) {
    if (deferred::drain() == 0) sched_yield();
  }
}

int create_locked(Tenant& parent, const char* name, size_t length, uint32_t flags,
                  Tenant** result) {
  if (!start_tenants()) return -ENOMEM;
  if (!parent.online()) return -ENODEV;
  if (parent.depth + 1u >= kDeepest) return -EMLINK;
  {
    grace::ReadSection section;
    if (find_child(parent, name, length) != nullptr) return -EEXIST;
  }
  auto* tenant = meta_arena.create<Tenant>();
  if (tenant == nullptr) return -ENOMEM;
  if (!set_name(*tenant, name, length)) {
    free_tenant(*tenant);
    return -ENOMEM;
  }
  // Tenants lie in the metadata arena, 64 bytes apart or more, so kPlaceBits name one.
  tenant->number = static_cast<uint32_t>(
      (reinterpret_cast<uint64_t>(tenant) - meta_arena.base()) / kCacheLine + 1);
  tenant->number |= scope_generation() << kPlaceBits;
  tenant->counter.set_parent(&parent.counter);
  tenant->flags.store(flags, std::memory_order_relaxed);
  if (flags & kIsolatedTenant)
    tenant->allocator_data.store(apart_mark(), std::memory_order_relaxed);
  tenant->depth = static_cast<uint8_t>(parent.depth + 1);
  tenant->pins.store(2, std::memory_order_relaxed);  // The tree's and the caller's.
  if (!take_tenant_id(&tenant->tenant_id)) {
    free_tenant(*tenant);
    return -ENOSPC;
  }
  AccountingContext* context = AccountingContext::create(tenant);
  if (context == nullptr) {
    release_tenant_id(tenant->tenant_id);
    free_tenant(*tenant);
    return -ENOMEM;
  }
  show_tenant(*tenant);
  tenant->contexts.add(*context);
  // Release: pairs with the load in charge(), which may also get the tenant directly from the creating thread.
  tenant->set_context(context);
  // The publication is the decisive step: after it the tenant exists, also for a fork child, and no step can fail.
  if (!reserve_name() || tenants_by_id.publish(index_of(tenant->tenant_id), tenant) != tenant) {
    context_table.release(context);
    release_tenant_id(tenant->tenant_id);
    free_tenant(*tenant);
    return -ENOMEM;
  }
  add_name(*tenant);
  parent.pin();
  link_child(parent, *tenant);
  show_state(*tenant, live::SlotState::kOnline);
  show_event(*tenant, live::EventKind::kCreated);
  *result = tenant;
  return 0;
}

// A grace period after offline: no table, list or context leads to the tenant any more.
void retire(DeferredItem* item) {
  Tenant& tenant = tenant_of_item(item);
  release_tenant_id(tenant.id());
  tenant.state.store(TenantState::kGone, std::memory_order_release);
  show_state(tenant, live::SlotState::kGone);
  tenant.unpin();  // The tree's.
}

}  // namespace

void complete_offline(Tenant& tenant) {
  Tenant& parent = *tenant.parent();
  show_state(tenant, live::SlotState::kDying);
  show_event(tenant, live::EventKind::kWent);
  if (probes::listens(probes::tenure_probe_offline)) {
    char path[probes::kLongestPath];
    tenant.copy_path(path, sizeof path);
    probes::fire_offline(index_of(tenant.id()), path, tenant.counter.usage());
  }
  remove_name(tenant);
  call(hooks.kill_caches, tenant);
  AccountingContext* own = tenant.context.load(std::memory_order_relaxed);
  // Release: a thread that finds no context here also finds the state; pairs with hold_context(). Charges that hold the context already, or
  // soon find it dead, reach the parent in both cases.
  tenant.set_context(nullptr);
  // Contexts that were reparented to the tenant earlier are in the same list as its own.
  tenant.contexts.reparent(parent.contexts, &parent);
  if (own) own->unpin();  // The tenant's.
  call(hooks.drain_lrus, tenant);
  drop_reclaim_state(tenant);
  unlink_child(parent, tenant);
  // From here on a fork child does not find the tenant and has nothing to complete.
  tenants_by_id.clear_if(index_of(tenant.id()), &tenant);
  // The grace period starts when nothing leads to the tenant any more (accounting_context.h, I3).
  deferred::defer(tenant.item, retire);
}

void register_offline_hooks(const OfflineHooks& registered) { hooks = registered; }

bool start_tenants() {
  if (root_tenant.context.load(std::memory_order_relaxed) != nullptr) return true;
  AccountingContext* const context = AccountingContext::create(&root_tenant);
  if (context == nullptr) return false;
  root_tenant.contexts.add(*context);
  root_tenant.set_context(context);
  return true;
}

int create_tenant(Tenant& parent, const char* name, uint32_t flags, Tenant** tenant) {
  *tenant = nullptr;
  const size_t length = __builtin_strlen(name);
  if (!valid_name(name, length)) return -EINVAL;
  hold_back();
  int error;
  {
    MutexGuard guard(tenants_mutex);
    error = create_locked(parent, name, length, flags, tenant);
    ContextList::reap();
  }
  deferred::drain();
  return error;
}

int offline_tenant(Tenant& tenant, unsigned flags) {
  if (tenant.parent() == nullptr || (flags & ~kOfflineRecursive) != 0) return -EINVAL;
  {
    MutexGuard guard(tenants_mutex);
    if (!tenant.online()) return -EALREADY;
    if (tenant.children.load(std::memory_order_relaxed) != 0 && (flags & kOfflineRecursive) == 0)
      return -EBUSY;
    // Children first: always the first leaf, until the tenant is one.
    for (;;) {
      Tenant* leaf = &tenant;
      while (Tenant* child = leaf->first_child.load(std::memory_order_relaxed)) leaf = child;
      const bool last = leaf == &tenant;
      // The decisive step. Release: pairs with current_state(). New charges go to the parent as soon as `context` is removed below.
      // Lookups, nearest_online() and creation below the tenant see the state at once.
      leaf->state.store(TenantState::kDying, std::memory_order_release);
      complete_offline(*leaf);
      if (last) break;
    }
    ContextList::reap();
  }
  deferred::drain();
  return 0;
}

namespace {

// `path`: behind the slash; may be empty. In a read section.
Tenant* find_below_root(const char* path) {
  Tenant* tenant = &root_tenant;
  for (const char* p = path; *p != '\0';) {
    size_t length = 0;
    while (p[length] != '\0' && p[length] != '/') ++length;
    tenant = find_child(*tenant, p, length);
    if (tenant == nullptr) return nullptr;
    p += length;
    if (*p == '/' && *++p == '\0') return nullptr;  // "/shop/": no name behind the slash.
  }
  return tenant;
}

// If the path begins with the root's name: the rest of the path; else nullptr.
const char* behind_root_name(const char* path) {
  const char* const name = root_tenant.name();
  const size_t length = __builtin_strlen(name);
  if (length == 0 || __builtin_strncmp(path, name, length) != 0) return nullptr;
  path += length;
  if (*path == '\0') return path;
  return path[0] == '/' && path[1] != '\0' ? path + 1 : nullptr;
}

}  // namespace

Tenant* find_tenant(const char* path) {
  if (path[0] != '/') return nullptr;
  grace::ReadSection section;
  Tenant* tenant = find_below_root(path + 1);
  if (tenant == nullptr) {
    const char* const rest = behind_root_name(path + 1);
    tenant = rest ? find_below_root(rest) : nullptr;
  }
  return tenant && tenant->pin() ? tenant : nullptr;
}

void reap_tenants() {
  {
    MutexGuard guard(tenants_mutex);
    ContextList::reap();
  }
  deferred::drain();
}

void flush_tenants() {
  {
    MutexGuard guard(tenants_mutex);
    ContextList::reap();
  }
  deferred::flush();
  // If that was the last of many contexts, their table is freed.
  MutexGuard guard(tenants_mutex);
  context_table.trim();
}

uint32_t tenants_online() {
  uint32_t count = 0;
  for_each_in_subtree(root_tenant, [&count](Tenant&) { return ++count != 0; });
  return count - 1;
}

Tenant* next_in_subtree(Tenant& top, Tenant* at) {
  TENURE_ASSERT(grace::in_read_section());
  if (Tenant* child = at->first_child.load(std::memory_order_acquire)) return child;
  while (at != &top) {
    if (Tenant* sibling = at->next_sibling.load(std::memory_order_acquire)) return sibling;
    at = at->parent();
  }
  return nullptr;
}

}  // namespace tenure
