// What allocators offer for tenants, found at run time in whichever is preloaded: Tenure's tenants,
// an arena of jemalloc each, a heap of mimalloc each. glibc has nothing of the kind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "tenure/tenure.h"

namespace bench {

// The same shape for each: a handle, allocation for it, entering it, and its end. kMost is how many handles a process can have,
// or can have in bearable time and memory. kForAllThreads: a handle serves all threads; otherwise only the thread that made it.
struct TenureTenants {
  using Handle = tenure_tenant*;
  static constexpr std::size_t kMost = SIZE_MAX;
  static constexpr bool kForAllThreads = true;
  static bool load();
  static Handle create(Handle parent, const char* name);
  static void destroy(Handle tenant);
  // malloc inside: the scope is entered around the loop.
  static void* allocate(Handle, std::size_t size) { return malloc(size); }
  // For one object, without a scope.
  static void* allocate_for(Handle tenant, std::size_t size) { return malloc_for_(tenant, size); }
  static void release(Handle, void* block) { free(block); }
  using Scope = tenure_scope;
  static Scope enter(Handle tenant) { return enter_(tenant); }
  static void leave(Scope outer) { leave_(outer); }

  static void limit(Handle tenant, std::size_t bytes);
  static void close(Handle tenant);
  static void offline(Handle tenant);
  static void reap();

private:
  static decltype(&tenure_malloc) malloc_for_;
  static decltype(&tenure_enter) enter_;
  static decltype(&tenure_leave) leave_;
};

// Explicit caches, as its manual advises for arenas of one's own.
struct JemallocArenas {
  struct Handle {
    unsigned arena;
    unsigned cache;
  };
  static constexpr std::size_t kMost = 4000;  // Its own limit is 4094 arenas.
  static constexpr bool kForAllThreads = false;
  static bool load();
  static Handle create(Handle parent, const char* name);
  static void destroy(Handle tenant);  // With all that lives in it.
  static void* allocate(Handle tenant, std::size_t size) { return mallocx_(size, flags(tenant)); }
  static void* allocate_for(Handle tenant, std::size_t size) { return allocate(tenant, size); }
  static void release(Handle tenant, void* block) { dallocx_(block, flags(tenant)); }
  using Scope = unsigned;
  static Scope enter(Handle tenant);
  static void leave(Scope outer);

private:
  // MALLOCX_ARENA(a) | MALLOCX_TCACHE(t) of jemalloc.h.
  static int flags(Handle tenant) {
    return static_cast<int>((tenant.arena + 1) << 20 | (tenant.cache + 2) << 8);
  }
  static void* (*mallocx_)(std::size_t, int);
  static void (*dallocx_)(void*, int);
  static int (*mallctl_)(const char*, void*, std::size_t*, void*, std::size_t);
  static int (*mallctlbymib_)(const std::size_t*, std::size_t, void*, std::size_t*, void*,
                              std::size_t);
  static std::size_t thread_arena_[2];
};

struct MimallocHeaps {
  using Handle = void*;
  static constexpr std::size_t kMost = 20000;  // With 100,000 it does not finish in minutes.
  static constexpr bool kForAllThreads = false;
  static bool load();
  static Handle create(Handle parent, const char* name);
  static void destroy(Handle tenant);  // Its pages go to the thread's default heap.
  static void* allocate(Handle tenant, std::size_t size) { return heap_malloc_(tenant, size); }
  static void* allocate_for(Handle tenant, std::size_t size) { return allocate(tenant, size); }
  static void release(Handle, void* block) { free_(block); }
  using Scope = void*;
  static Scope enter(Handle tenant) { return set_default_(tenant); }
  static void leave(Scope outer) { set_default_(outer); }

private:
  static void* (*heap_new_)();
  static void (*heap_delete_)(void*);
  static void* (*heap_malloc_)(void*, std::size_t);
  static void* (*set_default_)(void*);
  static void (*free_)(void*);
};

// No tenants, under any allocator: the base for rows that compare a process with tenants and a process without.
struct NoTenants {
  struct Handle {};
  struct Scope {};
  static constexpr std::size_t kMost = SIZE_MAX;
  static constexpr bool kForAllThreads = true;
  static Handle create(Handle, const char*) { return {}; }
  static void* allocate(Handle, std::size_t size) { return malloc(size); }
  static void release(Handle, void* block) { free(block); }
  static Scope enter(Handle) { return {}; }
  static void leave(Scope) {}
};

}  // namespace bench
