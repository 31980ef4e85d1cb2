// A cache: one size class of one tenant. Depot and slabs; its CPU fronts are in the per-CPU areas.
#pragma once

#include <atomic>
#include <cstdint>

#include "allocator/size_class.h"
#include "allocator/slab.h"
#include "base/attributes.h"
#include "base/ids.h"
#include "base/tagged_stack.h"

namespace tenure {

// Chains in the depot are linked through the second word of their first object.
struct DepotLinks {
  static std::atomic<uint64_t>& word(ChainWord chain) {
    return static_cast<std::atomic<uint64_t>*>(first_object(chain))[1];
  }
  TENURE_STALE_READ static uint64_t load(uint64_t chain) {
    return word(chain).load(std::memory_order_relaxed) ^ chain_mask(first_object(chain));
  }
  static void store(uint64_t chain, uint64_t next) {
    word(chain).store(next ^ chain_mask(first_object(chain)), std::memory_order_relaxed);
  }
};

// A lock-free stack of chains between the CPU fronts and the slabs.
using Depot = TaggedStack<DepotLinks>;

class alignas(64) Cache {
public:
  constexpr Cache() = default;

  // Constant after init().
  uint32_t object_size = 0;
  uint32_t reciprocal = 0;
  uint16_t limit = 0;     // Objects in a full list of a front; chains count their room from it.
  uint16_t capacity = 0;  // Objects in a slab
  uint16_t granules = 0;  // Of a slab
  ClassId class_id{};
  uint32_t front_slot = 0;  // Offset of its slot pair in each CPU's area; 0: closed (no front).

  std::atomic<uint32_t> slabs{
      0};  // Alive. Statistics and the growth heuristic of carving: relaxed.
  // Times malloc found the CPU's lists short. Only a heuristic: races may lose counts. Relaxed.
  std::atomic<uint32_t> short_lists{0};

  Depot depot;
  DescriptorStack
      partial;  // Slabs that may have something to give. Dead ones stay until they come up.

  void init(ClassId id, uint32_t front, uint32_t smallest_slab_granules);
};

}  // namespace tenure
