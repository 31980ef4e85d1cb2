// Checks of the whole heap at rest: what every structure promises its neighbours.
#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/dead_caches.h"
#include "allocator/caches/reaper.h"
#include "allocator/caches/tenant_purge.h"
#include "allocator/control/statistics.h"
#include "allocator/fronts/caching_tenants.h"
#include "allocator/fronts/charge_stock.h"
#include "allocator/fronts/depots.h"
#include "allocator/fronts/paying.h"
#include "allocator/heap/bootstrap.h"
#include "allocator/heap/pool.h"
#include "allocator/slabs/family.h"
#include "allocator/upkeep/run_stash.h"

namespace tenure {
namespace {

const RunDescriptor* slab_of(const void* object) {
  const uint32_t granule = granule_of(object);
  if (granule == kNoGranule) return nullptr;
  const uint32_t number = arena.page_map.at(granule).descriptor.load(std::memory_order_relaxed);
  if (number == 0) return nullptr;
  const RunDescriptor& run = arena.descriptors.at(number);
  return run.kind == RunKind::kSlab ? &run : nullptr;
}

// Every object belongs to a live slab of the cache and every room follows its neighbour's; the end is that of a list of the class, or of
// one that is closed at its end. Returns the length, or -1.
int64_t check_chain(const Cache& cache, ChainWord chain) {
  int64_t length = 0;
  while (has_objects(chain)) {
    void* const object = first_object(chain);
    const RunDescriptor* slab = slab_of(object);
    if (slab == nullptr || slab->cache != &cache) return -1;
    const uint64_t offset = static_cast<uint64_t>(static_cast<char*>(object) - slab_base(*slab));
    const ObjectIndex index = object_index(*slab, offset);
    if (!index.exact || index.index >= slab->state.load(std::memory_order_relaxed).carved)
      return -1;
    if (slab->collected && (slab->purged & pages_of_object(slab->object_size, index.index)) != 0)
      return -1;
    const ChainWord rest = load_link(object);
    if (!follows(rest, chain) || ++length > UINT16_MAX) return -1;
    chain = rest;
  }
  const bool ended = chain == empty_word(cache.limit) || chain == sentinel_word(cache.limit);
  return ended || chain == kClosedWord ? length : -1;
}

const char* check_slab(const RunDescriptor& slab, uint32_t number) {
  const SlabState state = slab.state.load(std::memory_order_acquire);
  if (state.dead()) return nullptr;
  if (state.free > state.carved || state.carved > slab.capacity)
    return "slab counts are out of range";
  if (state.free == state.carved) return "an empty slab was not given back";
  if (!state.listed() && (state.free > 0 || state.carved < slab.capacity))
    return "a slab with free objects is unlisted";
  for (uint32_t i = 0; i < slab.granules; ++i) {
    const GranuleEntry& entry = arena.page_map.at(slab.granule + i);
    if (entry.descriptor.load(std::memory_order_relaxed) != number)
      return "a slab's granule has another entry";
    if (!arena.page_heap.is_used(slab.granule + i)) return "a slab's granule is free";
  }
  if (arena.page_map.tag_places()[slab.granule] != tag_place_of(slab))
    return "a slab's granule leads to other tags";
  if (state.holes() > state.free) return "a slab has more holes than free objects";
  const PageBits purged = slab.collected ? slab.purged : 0;
  const uint32_t holes = count_holes(purged, slab.object_size, state.carved);
  // A collector that a fork has cut off took them with it.
  if (state.holes() != holes && state.holes() != 0)
    return "a slab's holes are not those of its pages";
  if (state.head == 0) return state.chained() == 0 ? nullptr : "a slab lost its free list";
  const uint64_t head =
      reinterpret_cast<uint64_t>(slab_base(slab)) + (state.head - 1u) * uint64_t{slab.object_size};
  const Cache& cache = *slab.cache;
  const ChainWord chain = chain_word(head, static_cast<uint16_t>(cache.limit - state.chained()));
  return check_chain(cache, chain) == state.chained() ? nullptr : "a slab's free list is broken";
}

const char* check_depot(const Cache& cache, const Depot& depot) {
  uint32_t chains = 0;
  for (uint64_t chain = depot.peek(); has_objects(chain); chain = DepotLinks::load(chain)) {
    if (check_chain(cache, chain) <= 0) return "a depot chain is broken";
    if (++chains > depot.size()) break;
  }
  return chains == depot.size() ? nullptr : "a depot's count is wrong";
}

const char* check_cache(const Cache& cache) {
  const uint32_t slot = cache.front_slot.load(std::memory_order_relaxed);
  for (uint32_t area = 0; slot != 0 && area < arena.cpus + arena.shared_areas; ++area) {
    for (const uint32_t offset : {Front::kAllocWord, Front::kFreeWord}) {
      const ChainWord word = word_in_area(area, slot + offset).load(std::memory_order_acquire);
      if (word == kStoppedWord) return "a front is stopped";
      if (has_objects(word) && check_chain(cache, word) < 0) return "a front's chain is broken";
    }
  }
  const char* wrong = nullptr;
  for_each_depot(cache, [&](const Depot& depot) {
    if (const char* found = check_depot(cache, depot)) wrong = found;
  });
  if (wrong) return wrong;
  for (const DescriptorStack* list : {&cache.partial, &cache.pierced}) {
    uint32_t listed = 0;
    for (uint64_t number = list->peek(); number != 0; number = DescriptorLinks::load(number)) {
      if (++listed > list->size()) break;
    }
    if (listed != list->size()) return "the count of a list of slabs is wrong";
  }
  return nullptr;
}

// Whether nothing leads to the run: it was in the hands of a thread that is gone. The maker of a run sets its entries last, the one that frees it
// clears them first; a slab's memory is nobody else's meanwhile, that of an object that was being moved may be.
bool is_lost(const RunDescriptor& run, uint32_t number) {
  const auto entry = [&run](uint32_t i) {
    return arena.page_map.at(run.granule + i).descriptor.load(std::memory_order_relaxed);
  };
  if (run.kind != RunKind::kSlab) return entry(0) != number;
  bool missing = false;
  for (uint32_t i = 0; i < run.granules; ++i) {
    if (entry(i) != 0 && entry(i) != number) return false;
    missing |= entry(i) == 0;
  }
  return missing;
}

// Only a large object's first granule has an entry.
const char* check_large(const RunDescriptor& run) {
  for (uint32_t i = 0; i < run.granules; ++i) {
    if (!arena.page_heap.is_used(run.granule + i)) return "a large object's granule is free";
    const GranuleEntry& entry = arena.page_map.at(run.granule + i);
    if (i > 0 && entry.descriptor.load(std::memory_order_relaxed) != 0)
      return "a granule is used twice";
  }
  return nullptr;
}

struct Found {
  const char* wrong = nullptr;
  const char* lost = nullptr;
  uint64_t used = 0,
           charged = 0;  // Bytes of runs, and what is charged for them and for pooled objects.
};

Found check_runs() {
  Found found;
  for (uint32_t number = 1; number < arena.descriptors.end(); ++number) {
    const RunDescriptor& run = arena.descriptors.at(number);
    const bool slab = run.kind == RunKind::kSlab;
    if (run.kind == RunKind::kNone || (slab && run.state.load(std::memory_order_acquire).dead()))
      continue;
    if (is_lost(run, number)) {
      found.lost = "a run is lost";
      continue;
    }
    if (const char* wrong = slab ? check_slab(run, number) : check_large(run)) {
      found.wrong = wrong;
      return found;
    }
    const size_t bytes = size_t{run.granules} * kGranuleSize;
    found.used += bytes;
    if (slab) found.charged += tagged_bytes(run) + paid_bytes(run);
    if (run.context) found.charged += bytes;
  }
  grace::ReadSection section;
  for_each_named_family([&found](const CacheFamily& family) {
    if (family.waiting == nullptr) return;
    found.used += family.waiting->bytes();
    found.charged += family.waiting->charged_bytes();
  });
  return found;
}

// The part of paid_bytes() that is not paid, as the objects lie in depots.
uint64_t unpaid_bytes() {
  uint64_t bytes = 0;
  const auto add = [](void* sum, const Cache& cache) {
    if (cache.payer) *static_cast<uint64_t*>(sum) += depot_objects(cache) * cache.object_size;
  };
  for_each_family([&](const CacheFamily& family) {
    family.children.for_each([&](uint32_t, const Cache* cache) {
      add(&bytes, *cache);
      return true;
    });
  });
  for_each_departed_cache(add, &bytes);
  return bytes;
}

}  // namespace

const char* validate_heap(bool* only_lost) {
  if (only_lost) *only_lost = false;
  if (!bootstrapped()) return nullptr;
  if (!arena.page_heap.validate()) return "the page heap's hints are wrong";
  const Found found = check_runs();
  if (found.wrong) return found.wrong;
  const char* lost = found.lost;
  const uint64_t used = arena.page_heap.stats().used_bytes;
  if (used < found.used) return "granules are used twice";
  if (used > found.used) lost = "granules are lost";
  if (const char* wrong = validate_stashes()) return wrong;
  const char* wrong = nullptr;
  for_each_cache([&wrong](const Cache& cache) {
    if (wrong == nullptr) wrong = check_cache(cache);
  });
  if (wrong) return wrong;
  if (!validate_caching()) return "a tenant has free objects that no purge would find";
  if (const char* tenants = check_tenants()) return tenants;
  const uint64_t charged = found.charged + stocked_bytes() - unpaid_bytes();
  uint64_t held = 0;
  for_each_context([&held](const AccountingContext& context) { held += context.held(); });
  if (held < charged) return "memory is charged to nobody";
  if (held > charged) lost = "charges are lost: their memory is not there";
  if (lost && only_lost) *only_lost = true;
  return lost;
}

}  // namespace tenure
