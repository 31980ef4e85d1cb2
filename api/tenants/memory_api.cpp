// The current tenant, memory of a given tenant, named caches.
#include <errno.h>

#include "allocator/control/object_cache.h"
#include "allocator/control/statistics.h"
#include "allocator/heap/heap.h"
#include "allocator/slabs/current.h"
#include "api/tenants/control_end.h"
#include "api/tenants/handles.h"
#include "api/tenants/scopes.h"
#include "base/words/bits.h"

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

void* fail(int error) {
  errno = error;
  return nullptr;
}

}  // namespace

// NULL changes nothing: at the hardened level that is the current tenant once more.
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

TENURE_EXPORT void* tenure_malloc(tenure_tenant* tenant, size_t size) {
  if (refusal_of(tenant) != 0) return fail(EINVAL);
  return allocate_for(tenant_of(tenant), size, 1, Fill::kAny);
}

TENURE_EXPORT void* tenure_calloc(tenure_tenant* tenant, size_t count, size_t size) {
  if (refusal_of(tenant) != 0) return fail(EINVAL);
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return fail(ENOMEM);
  return allocate_for(tenant_of(tenant), bytes, 1, Fill::kZero);
}

TENURE_EXPORT void* tenure_aligned_alloc(tenure_tenant* tenant, size_t alignment, size_t size) {
  if (refusal_of(tenant) != 0 || !is_power_of_two(alignment)) return fail(EINVAL);
  return allocate_for(tenant_of(tenant), size, alignment, Fill::kAny);
}

TENURE_EXPORT void* tenure_transfer(tenure_tenant* tenant, void* block) {
  if (refusal_of(tenant) != 0) return fail(EINVAL);
  return block ? transfer(tenant_of(tenant), block) : nullptr;
}

TENURE_EXPORT tenure_tenant* tenure_owner(const void* block) {
  return block ? give_handle(pin_owner(block)) : nullptr;
}

TENURE_EXPORT int tenure_cache_create(const char* name, size_t size, size_t alignment,
                                      unsigned flags, void (*constructor)(void*),
                                      tenure_cache** cache) {
  if (cache == nullptr) return -EINVAL;
  *cache = nullptr;
  if (flags != 0) return -EINVAL;
  CacheFamily* family = nullptr;
  const int error = create_object_cache(name, size, alignment, constructor, &family);
  *cache = reinterpret_cast<tenure_cache*>(family);
  // Without memory for it the heap may not have begun yet.
  return error == 0 ? finish(error) : error;
}

TENURE_EXPORT void* tenure_cache_alloc(tenure_cache* cache) {
  return allocate_object(family_of(cache), current_tenant());
}

TENURE_EXPORT void* tenure_cache_alloc_for(tenure_cache* cache, tenure_tenant* tenant) {
  if (tenant == nullptr) return tenure_cache_alloc(cache);
  if (refusal_of(tenant) != 0) return fail(EINVAL);
  return allocate_object(family_of(cache), tenant_of(tenant));
}

TENURE_EXPORT void tenure_cache_free(tenure_cache* cache, void* object) {
  free_object(family_of(cache), object);
}

TENURE_EXPORT int tenure_cache_alloc_bulk(tenure_cache* cache, size_t count, void** objects) {
  const int saved = errno;
  for (size_t i = 0; i < count; ++i) {
    objects[i] = tenure_cache_alloc(cache);
    if (objects[i] != nullptr) continue;
    tenure_cache_free_bulk(cache, i, objects);
    errno = saved;
    return -ENOMEM;
  }
  return 0;
}

TENURE_EXPORT void tenure_cache_free_bulk(tenure_cache* cache, size_t count, void** objects) {
  for (size_t i = 0; i < count; ++i) tenure_cache_free(cache, objects[i]);
}

TENURE_EXPORT size_t tenure_cache_shrink(tenure_cache* cache) {
  return shrink_object_cache(family_of(cache));
}

TENURE_EXPORT int tenure_cache_destroy(tenure_cache* cache, size_t* live) {
  if (cache != nullptr) return finish(destroy_object_cache(family_of(cache), live));
  if (live) *live = 0;
  return 0;
}

TENURE_EXPORT int tenure_cache_stats(tenure_cache* cache, struct tenure_cache_stats* stats) {
  FamilyStatistics own;
  collect_family_statistics(family_of(cache), own);
  struct tenure_cache_stats full = {};
  full.object_size = family_of(cache).root->object_size;
  full.live = own.live;
  full.cached = own.cached;
  full.slabs = own.slabs;
  full.slab_bytes = own.slab_bytes;
  full.tenants = own.tenants;
  full.waiting_bytes = own.waiting_bytes;
  return fill(stats, full);
}
