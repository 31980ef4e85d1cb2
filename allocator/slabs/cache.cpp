#include "allocator/slabs/arena.h"
#include "allocator/slabs/family.h"
#include "allocator/slabs/misuse.h"
#include "allocator/slabs/sampling.h"

namespace tenure {

constinit Cache pool_caches[kClassCount];
constinit Sampler sampler;

void require_chain(ChainWord chain) {
  if (TENURE_UNLIKELY(!is_plausible(chain)))
    report_misuse(Misuse::kCorruptedChain, first_object(chain));
}

// May run on several threads at once at bootstrap, writing the same values.
void Cache::init_size(size_t size, uint32_t smallest_slab_granules) {
  object_size = static_cast<uint32_t>(size);
  reciprocal = reciprocal_of(size);
  limit = front_limit(object_size);
  granules = static_cast<uint16_t>(slab_granules(object_size, smallest_slab_granules));
  capacity = static_cast<uint16_t>(granules * kGranuleSize / object_size);
}

void Cache::init(ClassId id, uint32_t front, uint32_t smallest_slab_granules) {
  class_id = id;
  init_size(class_size(id), smallest_slab_granules);
  front_slot.store(front + slot_in_front(id), std::memory_order_relaxed);
}

void Cache::init_child(const Cache& root, Tenant& tenant) {
  object_size = root.object_size;
  reciprocal = root.reciprocal;
  limit = root.limit;
  capacity = root.capacity;
  granules = root.granules;
  class_id = root.class_id;
  family = root.family;
  owner = &tenant;
  isolated = is_isolated(tenant);
}

}  // namespace tenure
