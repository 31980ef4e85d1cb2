// Named caches: families of caches whose objects are of one exact size.
#pragma once

#include <cstddef>

#include "accounting/tenants/tenant.h"
#include "allocator/slabs/family.h"

namespace tenure {

constexpr size_t kLargestAlignment = 4096;

// 0, -EINVAL, -ENOMEM. `readers`: the cache is type-safe, for readers of that flavour. Takes tenants_mutex.
int create_object_cache(const char* name, size_t size, size_t alignment, void (*constructor)(void*),
                        CacheFamily** family, const ReaderFlavor* readers = nullptr);
// -EBUSY and *live where objects are left, or where no grace period can be waited for. Takes tenants_mutex.
int destroy_object_cache(CacheFamily& family, size_t* live);
// For the tenant, which is pinned. nullptr: ENOMEM.
void* allocate_object(CacheFamily& family, Tenant& tenant);
// Aborts where the object is not of this family.
void free_object(CacheFamily& family, void* object);
// Empties the lists of all tenants. Returns the slabs given back, or those that now wait for readers.
size_t shrink_object_cache(CacheFamily& family);

}  // namespace tenure
