// A cache: one size class (or one named cache) of one tenant. Depot and slabs; its words in the CPU
// fronts are in the per-CPU areas.
#pragma once

#include <atomic>
#include <cstdint>

#include "accounting/tenants/tenant.h"
#include "allocator/pages/size_class.h"
#include "allocator/slabs/slab.h"
#include "base/words/attributes.h"
#include "base/words/ids.h"
#include "base/words/tagged_stack.h"

namespace tenure {

struct CacheFamily;

// Reports a chain that is none: the link to it was overwritten.
void require_chain(ChainWord chain);

// Chains in the depot are linked through the second word of their first object.
struct DepotLinks {
  static std::atomic<uint64_t>& word(ChainWord chain) {
    return static_cast<std::atomic<uint64_t>*>(first_object(chain))[1];
  }
  TENURE_STALE_READ static uint64_t load(uint64_t chain) {
    require_chain(chain);
    return word(chain).load(std::memory_order_relaxed) ^ chain_mask(first_object(chain));
  }
  static void store(uint64_t chain, uint64_t next) {
    word(chain).store(next ^ chain_mask(first_object(chain)), std::memory_order_relaxed);
  }
};

// A lock-free stack of chains between the CPU fronts and the slabs.
using Depot = TaggedStack<DepotLinks>;

// Life: live -> dead (the tenant went offline; under tenants_mutex) -> destroyed (by the reaper, when
// no slab is left, nobody holds a handle on the tenant, and a grace period has passed). A thread that allocates
// from a cache holds a handle on its tenant; who frees into one is in a read section. The last free
// destroys nothing.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): what all CPUs write has a line of its own.
class alignas(64) Cache {
public:
  constexpr Cache() = default;

  // Constant after init().
  uint32_t object_size = 0;
  uint32_t reciprocal = 0;
  uint16_t limit = 0;     // Objects in a full list of a front; chains count their room from it.
  uint16_t capacity = 0;  // Objects in a slab
  uint16_t granules = 0;  // Of a slab
  ClassId class_id{};     // kNamedClass: a named cache's.
  bool pooled = false;    // Of the pool: pool.h.
  bool sampled = false;   // Has sampled objects only: sampled_objects.h.
  bool isolated = false;  // Memory is cleared before others get it.
  // Frees go straight to the slab. Set once, with release, under tenants_mutex or by who published
  // the cache too late.
  std::atomic<bool> dead{false};
  // A tenant's: objects come from here first, else from the pool. Relaxed: both are right.
  std::atomic<bool> preferred{true};
  bool sealed = false;  // Its words in the fronts are closed for good. Under tenants_mutex.
  // Offset of its word pair in each CPU's area; 0: none yet. Set once, to a place that stays the
  // cache's until it is destroyed. Relaxed: the place is valid before the cache is found.
  std::atomic<uint32_t> front_slot{0};

  bool has_tags() const { return pooled || sampled; }

  // For the operations on words, which read it themselves.
  const uint32_t& slot_in_place() const { return reinterpret_cast<const uint32_t&>(front_slot); }

  // Alive. Statistics and the growth heuristic of carving: relaxed. Where nothing may be left: release and acquire.
  std::atomic<uint32_t> slabs{0};
  // Objects handed out by slabs at least once, and of those the ones that are not in slabs now. Statistics: relaxed.
  std::atomic<uint64_t> carved{0};
  std::atomic<uint64_t> out{0};
  CacheFamily* family = nullptr;  // Constant.
  Tenant* owner = &root_tenant;   // Constant. Valid: the cache's heap has a pin.
  // The payer for objects that are in the tenant's hands, its lists in the fronts included: a tenant's that is not isolated. The slabs and
  // what the depots hold are the root's. nullptr: nobody (the root, the pool), or slabs are charged (isolated). Constant; pinned.
  AccountingContext* payer = nullptr;

  // Written by all CPUs: not in the line that every slow step reads.
  alignas(64) Depot depot;  // Chains that belong to no CPU: depots.h.
  Depot cold;               // Those that were too many for it: cold_chains.h.
  // Slabs that may have something to give, and those that had nothing but holes (holes.h). Dead ones stay until they come up.
  DescriptorStack partial, pierced;
  // Times malloc found the CPU's lists short. Only a heuristic: races may lose counts. Relaxed.
  std::atomic<uint32_t> short_lists{0};
  // For the decay. The fewest cold chains that there were since its last round began; and how many chains are to go to slabs in this one.
  // Heuristics: races may lose counts. Relaxed.
  std::atomic<uint32_t> fewest_cold{0};
  std::atomic<uint32_t> chains_to_return{0};

  Cache* next = nullptr;  // Once dead: list of the heap's dead caches, or of the late ones.
  DeferredItem item{};    // From the reaper's decision to its end.
  // The list of dead caches with free objects: dead_caches.h.
  std::atomic<Cache*> next_dead{nullptr};  // Written under tenants_mutex, read in read sections.
  Cache* previous_dead = nullptr;          // Under tenants_mutex.
  bool listed_dead = false;                // Under tenants_mutex.

  void init(ClassId id, uint32_t front, uint32_t smallest_slab_granules);
  // The geometry of `size` bytes from object to object.
  void init_size(size_t size, uint32_t smallest_slab_granules);
  // As the root's cache of the same family.
  void init_child(const Cache& root, Tenant& tenant);
};

}  // namespace tenure
