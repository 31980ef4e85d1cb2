#include "allocator/cache.h"

namespace tenure {

// May run on several threads at once at bootstrap, writing the same values.
void Cache::init(ClassId id, uint32_t front, uint32_t smallest_slab_granules) {
  class_id = id;
  object_size = static_cast<uint32_t>(class_size(id));
  reciprocal = static_cast<uint32_t>(divide_up(uint64_t{1} << 32, object_size));
  limit = front_limit(object_size);
  granules = static_cast<uint16_t>(slab_granules(object_size, smallest_slab_granules));
  capacity = static_cast<uint16_t>(granules * kGranuleSize / object_size);
  front_slot = front + slot_in_front(id);
}

}  // namespace tenure
