// The functions of cache.h.
#include "tenure/cache.h"

#include <errno.h>

#include "allocator/control/object_cache.h"
#include "allocator/control/statistics.h"
#include "allocator/slabs/current.h"
#include "api/tenants/control_end.h"
#include "api/tenants/handles.h"

using namespace tenure;

TENURE_EXPORT int tenure_cache_create(const char* name, size_t size, size_t alignment,
                                      unsigned flags, void (*constructor)(void*),
                                      tenure_cache** cache) {
  if (cache == nullptr) return -EINVAL;
  *cache = nullptr;
  if (flags != 0) return -EINVAL;
  CacheFamily* family = nullptr;
  const int error = create_object_cache(name, size, alignment, constructor, &family);
  *cache = reinterpret_cast<tenure_cache*>(family);
  // If the creation fails for want of memory, the heap may not exist yet.
  return error == 0 ? finish(error) : error;
}

TENURE_EXPORT void* tenure_cache_alloc(tenure_cache* cache) {
  return allocate_object(family_of(cache), current_tenant());
}

TENURE_EXPORT void* tenure_cache_alloc_for(tenure_cache* cache, tenure_tenant* tenant) {
  if (tenant == nullptr) return tenure_cache_alloc(cache);
  if (refusal_of(tenant) != 0) {
    errno = EINVAL;
    return nullptr;
  }
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
