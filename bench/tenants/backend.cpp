#include "tenants/backend.h"

#include <cstdio>
#include <dlfcn.h>

namespace bench {

namespace {

template <typename Function>
bool find(Function*& function, const char* name) {
  function = reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
  return function != nullptr;
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s failed\n", what);
  std::exit(1);
}

decltype(&tenure_tenant_create) tenant_create;
decltype(&tenure_tenant_offline) tenant_offline;
decltype(&tenure_tenant_close) tenant_close;
decltype(&tenure_tenant_set_limit) tenant_set_limit;
decltype(&tenure_reap) tenant_reap;

}  // namespace

decltype(&tenure_malloc) TenureTenants::malloc_for_;
decltype(&tenure_enter) TenureTenants::enter_;
decltype(&tenure_leave) TenureTenants::leave_;

bool TenureTenants::load() {
  return find(tenant_create, "tenure_tenant_create") &&
         find(tenant_offline, "tenure_tenant_offline") &&
         find(tenant_close, "tenure_tenant_close") &&
         find(tenant_set_limit, "tenure_tenant_set_limit") && find(tenant_reap, "tenure_reap") &&
         find(enter_, "tenure_enter") && find(leave_, "tenure_leave") &&
         find(malloc_for_, "tenure_malloc");
}

TenureTenants::Handle TenureTenants::create(Handle parent, const char* name) {
  Handle tenant = nullptr;
  require(tenant_create(parent, name, 0, &tenant) == 0, "tenure_tenant_create");
  return tenant;
}

void TenureTenants::destroy(Handle tenant) {
  offline(tenant);
  close(tenant);
}

void TenureTenants::offline(Handle tenant) {
  require(tenant_offline(tenant, TENURE_RECURSIVE) == 0, "tenure_tenant_offline");
}

void TenureTenants::close(Handle tenant) { tenant_close(tenant); }
void TenureTenants::reap() { tenant_reap(); }

void TenureTenants::limit(Handle tenant, std::size_t bytes) {
  require(tenant_set_limit(tenant, TENURE_MAX, bytes) == 0, "tenure_tenant_set_limit");
}

void* (*JemallocArenas::mallocx_)(std::size_t, int);
void (*JemallocArenas::dallocx_)(void*, int);
int (*JemallocArenas::mallctl_)(const char*, void*, std::size_t*, void*, std::size_t);
int (*JemallocArenas::mallctlbymib_)(const std::size_t*, std::size_t, void*, std::size_t*, void*,
                                     std::size_t);
std::size_t JemallocArenas::thread_arena_[2];

bool JemallocArenas::load() {
  int (*name_to_mib)(const char*, std::size_t*, std::size_t*);
  if (!find(mallocx_, "mallocx") || !find(dallocx_, "dallocx") || !find(mallctl_, "mallctl") ||
      !find(mallctlbymib_, "mallctlbymib") || !find(name_to_mib, "mallctlnametomib"))
    return false;
  std::size_t length = 2;
  return name_to_mib("thread.arena", thread_arena_, &length) == 0;
}

JemallocArenas::Handle JemallocArenas::create(Handle, const char*) {
  Handle tenant = {};
  std::size_t size = sizeof tenant.arena;
  require(mallctl_("arenas.create", &tenant.arena, &size, nullptr, 0) == 0, "arenas.create");
  require(mallctl_("tcache.create", &tenant.cache, &size, nullptr, 0) == 0, "tcache.create");
  return tenant;
}

void JemallocArenas::destroy(Handle tenant) {
  require(mallctl_("tcache.destroy", nullptr, nullptr, &tenant.cache, sizeof tenant.cache) == 0,
          "tcache.destroy");
  char name[40];
  std::snprintf(name, sizeof name, "arena.%u.destroy", tenant.arena);
  require(mallctl_(name, nullptr, nullptr, nullptr, 0) == 0, "arena.destroy");
}

JemallocArenas::Scope JemallocArenas::enter(Handle tenant) {
  unsigned outer = 0;
  std::size_t size = sizeof outer;
  mallctlbymib_(thread_arena_, 2, &outer, &size, &tenant.arena, sizeof tenant.arena);
  return outer;
}

void JemallocArenas::leave(Scope outer) {
  mallctlbymib_(thread_arena_, 2, nullptr, nullptr, &outer, sizeof outer);
}

void* (*MimallocHeaps::heap_new_)();
void (*MimallocHeaps::heap_delete_)(void*);
void* (*MimallocHeaps::heap_malloc_)(void*, std::size_t);
void* (*MimallocHeaps::set_default_)(void*);
void (*MimallocHeaps::free_)(void*);

bool MimallocHeaps::load() {
  return find(heap_new_, "mi_heap_new") && find(heap_delete_, "mi_heap_delete") &&
         find(heap_malloc_, "mi_heap_malloc") && find(set_default_, "mi_heap_set_default") &&
         find(free_, "mi_free");
}

MimallocHeaps::Handle MimallocHeaps::create(Handle, const char*) {
  void* heap = heap_new_();
  require(heap != nullptr, "mi_heap_new");
  return heap;
}

void MimallocHeaps::destroy(Handle tenant) { heap_delete_(tenant); }

}  // namespace bench
