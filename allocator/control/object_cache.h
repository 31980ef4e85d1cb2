// Named caches: families of caches whose objects are of one exact size.
#pragma once

#include <cstddef>

#include "accounting/tenants/tenant.h"
#include "allocator/slabs/family.h"

namespace tenure {

constexpr size_t kLargestAlignment = 4096;

// 0, -EINVAL, -ENOMEM. Takes tenants_mutex.
int create_object_cache(const char* name, size_t size, size_t alignment, void (*constructor)(void*),
                        CacheFamily** family);
// -EBUSY and *live where objects are left. Takes tenants_mutex.
int destroy_object_cache(CacheFamily& family, size_t* live);
// For the tenant, which is pinned. nullptr: ENOMEM.
void* allocate_object(CacheFamily& family, Tenant& tenant);
// Aborts where the object is not of this family.
void free_object(CacheFamily& family, void* object);
// Empties the lists of all tenants. Returns the slabs given back.
size_t shrink_object_cache(CacheFamily& family);

}  // namespace tenure
