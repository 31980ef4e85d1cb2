// The functions of readers.h.
#include "tenure/readers.h"

#include <errno.h>

#include "allocator/control/object_cache.h"
#include "api/tenants/control_end.h"
#include "api/tenants/handles.h"

using namespace tenure;

static_assert(TENURE_READERS_HEAD == kFlavorHeadBytes);

TENURE_EXPORT int tenure_cache_create_typesafe(const char* name, size_t size, size_t alignment,
                                               unsigned flags, void (*constructor)(void*),
                                               const tenure_readers* readers,
                                               tenure_cache** cache) {
  if (cache == nullptr) return -EINVAL;
  *cache = nullptr;
  if (flags != TENURE_TYPESAFE_BY_RCU || readers == nullptr ||
      readers->struct_size < sizeof(tenure_readers))
    return -EINVAL;
  const ReaderFlavor flavor{readers->call, readers->barrier, readers->register_thread,
                            readers->unregister_thread};
  if (flavor.call == nullptr || flavor.barrier == nullptr || flavor.register_thread == nullptr ||
      flavor.unregister_thread == nullptr)
    return -EINVAL;
  CacheFamily* family = nullptr;
  const int error = create_object_cache(name, size, alignment, constructor, &family, &flavor);
  *cache = reinterpret_cast<tenure_cache*>(family);
  return error == 0 ? finish(error) : error;
}
