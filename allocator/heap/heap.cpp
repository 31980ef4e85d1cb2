#include "allocator/heap/heap.h"

#include <errno.h>

#include "allocator/caches/tenant_heap.h"
#include "allocator/fronts/depots.h"
#include "allocator/fronts/paying.h"
#include "allocator/fronts/sampler.h"
#include "allocator/heap/bootstrap.h"
#include "allocator/heap/large.h"
#include "allocator/heap/pool_path.h"
#include "allocator/heap/runtime_caller.h"
#include "allocator/heap/sampled_lists.h"
#include "allocator/heap/sampled_objects.h"
#include "allocator/slabs/current.h"
#include "allocator/slabs/found_object.h"
#include "allocator/slabs/misuse.h"
#include "allocator/upkeep/decay.h"
#include "allocator/upkeep/reclaim.h"
#include "allocator/upkeep/run_stash.h"

namespace tenure {
namespace {

// A free list shorter than this is popped from directly; swapping it in would make every few allocations slow.
constexpr uint16_t kWorthSwapping = 8;
// A class that keeps finding its lists short is hot: every so often it gets more objects, until a swap moves half a
// full list. Classes that are seldom used never pay for that in memory.
constexpr uint32_t kTopUpEvery = 8;

void* out_of_memory() {
  errno = ENOMEM;
  return nullptr;
}

// Makes the chain the CPU's list for malloc. False: there is one, and the chain is still the caller's.
bool install_list(Cache& cache, const Front& front, ChainWord chain) {
  if (TENURE_UNLIKELY(is_sampling()) && front.by_rseq() && cache.family->sampled_root)
    return install_before_point(cache, front, chain);
  // Objects in lists of a cache with a payer are counted by the lists' words, which say the length of open ones only.
  if (TENURE_LIKELY(!fronts_watched() || !front.by_rseq()) || cache.payer)
    return front.install(chain);
  const ChainWord word = front.load(Front::kAllocWord);
  if (has_objects(word) || is_held(word)) return false;
  ChainWord rest;
  const ChainWord closed = close_at_end(chain, watched_length(), &rest);
  if (has_objects(rest)) keep_chain(cache, rest);
  if (has_objects(closed) && !front.install(closed)) give_to_slabs(cache, closed);
  return true;
}

// The chain's first object. The rest becomes the CPU's allocation list, or goes to the depot if others were faster.
void* split_first(Cache& cache, const Front& front, ChainWord chain) {
  void* const object = first_object(chain);
  const ChainWord rest = load_link(object);
  if (!is_rest(rest, chain)) report_misuse(Misuse::kCorruptedChain, object);
  const CachingScope caching(cache);
  const bool installed = front && install_list(cache, front, rest);
  if (!installed && has_objects(rest)) keep_chain(cache, rest);
  return object;
}

bool wants_more(Cache& cache, uint16_t listed) {
  if (listed >= cache.limit / 2) return false;
  const uint32_t times = cache.short_lists.load(std::memory_order_relaxed) + 1;
  cache.short_lists.store(times, std::memory_order_relaxed);
  return times % kTopUpEvery == 0;
}

// An object from the CPU's own lists, which are swapped if the free one is long enough.
void* pop_from_cpu(Cache& cache, const Front& front) {
  if (TENURE_UNLIKELY(fronts_watched())) poll_decay();
  ChainWord stray;
  void* object = front.pop(Front::kAllocWord, &stray);
  if (object == nullptr) {
    const ChainWord word = front.load(Front::kFreeWord);
    if (!has_objects(word)) return nullptr;
    const uint16_t listed = chain_length(word, cache.limit);
    if (wants_more(cache, listed)) return nullptr;
    if (listed >= kWorthSwapping || listed >= cache.limit / 2) {
      const ChainWord chain = front.take_list(Front::kFreeWord);
      return has_objects(chain) ? split_first(cache, front, chain) : nullptr;
    }
    object = front.pop(Front::kFreeWord, &stray);
  }
  if (has_objects(stray)) keep_chain(cache, stray);
  return object;
}

ChainWord refill(Cache& cache) {
  ChainWord chain = take_chain(cache);
  if (has_objects(chain)) return chain;
  poll_decay();
  chain = take_from_partial(cache);
  if (has_objects(chain)) return chain;
  chain = take_chain_anywhere(cache);
  if (has_objects(chain)) return chain;
  chain = create_slab(cache);
  if (TENURE_LIKELY(has_objects(chain))) return chain;
  // At a limit shrinkers have run. The freed objects may lie in slabs that other objects keep, which make room for no new slab.
  chain = take_chain_anywhere(cache);
  return has_objects(chain) ? chain : take_from_partial(cache);
}

// Without words in the fronts, the depot's first chain is the list that all share.
void free_to_depot(Cache& cache, void* object) {
  if (cache.payer) unpay(cache, 1);
  const ChainWord chain = cache.depot.pop();
  if (accepts_push(chain)) {
    cache.depot.push(chain_push(object, chain));
    return;
  }
  if (has_objects(chain)) cache.depot.push(chain);
  cache.depot.push(chain_push(object, empty_word(cache.limit)));
}

// The CPU's free list did not take the object: it is full, was never opened, or is being drained. In the section that keeps a
// tenant's cache.
TENURE_SLOW void free_with_room(Cache& cache, const Front& front, void* object) {
  note_caching(cache);
  if (!front) return free_to_depot(cache, object);
  for (;;) {
    if (front.push(object)) return;
    const ChainWord word = front.load(Front::kFreeWord);
    if (first_object(word) == object) report_misuse(Misuse::kDoubleFree, object);
    if (accepts_push(word)) continue;  // On another CPU meanwhile.
    const ChainWord alone = chain_push(object, front.open_word());
    if (is_held(word)) {
      if (cache.payer) unpay(cache, 1);
      cache.depot.push(alone);  // The CPU's own is for whole lists.
      return;
    }
    if (TENURE_UNLIKELY(fronts_watched() && watched_length() == 0 && !has_objects(word))) {
      keep_chain(cache, alone);  // Not opened, so that the next free comes by here, too.
      return;
    }
    if (!front.compare_exchange(Front::kFreeWord, word, alone)) continue;
    if (!has_objects(word)) return;  // Opened.
    if (install_list(cache, front, word)) return;
    keep_chain(cache, word);
    poll_decay();
    return;
  }
}

void free_into(Cache& cache, void* object) {
  if (TENURE_UNLIKELY(fronts_watched())) poll_decay();
  const Front front(cache);
  if (!front || !front.push(object)) free_with_room(cache, front, object);
}

// Slabs made before the cache had words in the fronts learn of them at the first free, which holds an object of the slab, so
// that it cannot go away.
void note_words(const Cache& cache, const RunDescriptor& slab, uint32_t number) {
  const uint32_t slot = cache.front_slot.load(std::memory_order_relaxed);
  const GranuleEntry& entry = arena.page_map.at(slab.granule);
  if (slot == 0 || !arena.rseq ||
      std::atomic_ref(const_cast<uint32_t&>(entry.front)).load(std::memory_order_relaxed) == slot)
    return;
  arena.page_map.set(slab.granule, slab.granules, slot, number);
}

void free_small(const Found& found, void* object) {
  RunDescriptor& slab = *found.run;
  if (TENURE_UNLIKELY(slab.cache->sampled)) forget_sample(slab, found.index, object);
  if (slab.pooled()) return free_pooled(slab, found.index, object);
  if (TENURE_LIKELY(slab.cache->owner == &root_tenant)) return free_into(*slab.cache, object);
  // The section keeps the cache, which may be dead and without slabs the moment the object is back.
  grace::ReadSection section;
  Cache& cache = *slab.cache;
  if (cache.dead.load(std::memory_order_acquire)) {
    if (cache.payer) unpay_at_once(cache, 1);
    give_to_slabs(cache, chain_push(object, empty_word(cache.limit)));
    return;
  }
  note_words(cache, slab, found.number);
  free_into(cache, object);
}

void* allocate_beyond_slabs(size_t size, size_t alignment, Fill fill) {
  if (TENURE_UNLIKELY(!bootstrapped()) && !bootstrap()) return out_of_memory();
  return mark_allocated(allocate_large(current_tenant(), size, alignment, fill));
}

// From the tenant's own cache, or the pool.
void* allocate_small(Tenant& asked, CacheFamily& family) {
  for (;;) {
    Tenant& tenant = asked.nearest_online();
    if (&tenant == &root_tenant) return allocate_from(*family.root);
    bool error;
    Cache* const own = find_own_cache(tenant, family, &error);
    if (error) return out_of_memory();
    if (own == nullptr && is_isolated(tenant)) continue;  // It has just gone.
    void* object = own ? allocate_from(*own) : nullptr;
    if (object || (own && own->isolated)) return object;
    // Also where the cache is refused more: one object may still fit.
    object = allocate_pooled(tenant, family);
    // As in refill(): here it is the pool's charge that has had the shrinkers run.
    if (TENURE_UNLIKELY(object == nullptr) && own) object = allocate_from(*own);
    return object ? object : out_of_memory();
  }
}

// A thread inside a tenant that has gone, or has got a front since, goes on with what is right now.
void* allocate_current(ClassId id) {
  const CurrentScope scope = load_scope();
  if (TENURE_LIKELY(scope.tenant == 0)) return allocate_from(root_caches[index_of(id)]);
  Tenant& tenant = tenant_of(scope);
  void* const object = allocate_small(tenant, class_families[index_of(id)]);
  const uint32_t front = tenant.online() ? scope_of(tenant).front : 0;
  // At the hardened level that half of the scope is the API's, as nothing reads it.
  if (front != scope.front && !arena.hardened) store_scope({front, scope.tenant});
  return object;
}

void free_object(const Found& found, void* object) {
  const int saved = errno;
  if (arena.hardened) mark_free(object, *found.run);
  if (found.run->kind == RunKind::kSlab) {
    free_small(found, object);
  } else {
    free_large(found.number);
  }
  errno = saved;
}

}  // namespace

void* take_from(Cache& cache) {
  const Front front(cache);
  if (!front) {
    note_slow_step(cache);
  } else if (void* object = pop_from_cpu(cache, front)) {
    return object;
  }
  ChainWord chain = refill(cache);
  if (cache.payer && has_objects(chain)) chain = pay_for(cache, chain, static_cast<bool>(front));
  return has_objects(chain) ? split_first(cache, front, chain) : out_of_memory();
}

static void* allocate_anywhere(size_t size) {
  if (size > kLargestSmall) return allocate_beyond_slabs(size, 1, Fill::kAny);
  if (TENURE_UNLIKELY(!bootstrapped()) && !bootstrap()) return out_of_memory();
  return hand_out(allocate_current(class_of(size)));
}

// The caller's request and its address, which matters to a refusal.
struct Asked {
  size_t size;
  const void* caller;
};

static TENURE_NOINLINE void* allocate_slower(Asked asked) {
  void* const object = allocate_anywhere(asked.size);
  if (TENURE_LIKELY(object != nullptr)) return object;
  return allocate_for_runtime(asked.caller, [asked] { return allocate(asked.size); });
}

// The scope's front is open, and the thread did not know.
static TENURE_NOINLINE void* allocate_opened(Asked asked) {
  this_thread.quick_sizes = front_sizes();
  return allocate_or(asked.size,
                     [asked](size_t size) { return allocate_slow(size, asked.caller); });
}

// A tenant's objects come this way, unless the tenant has caches of its own.
void* allocate_slow(size_t size, const void* caller) {
  const CurrentScope scope = load_scope();
  const Asked asked{size, caller};
  // Acquire: the stash reads what the bootstrap has written. 0: no heap yet, or none that has a stash.
  const uint64_t sizes = std::atomic_ref(hot.front_sizes).load(std::memory_order_acquire);
  if (TENURE_UNLIKELY(size >= sizes)) {
    void* const object = sizes != 0 && scope.tenant == 0 ? take_stashed_object(size) : nullptr;
    return object ? object : allocate_slower(asked);
  }
  if (TENURE_UNLIKELY(scope.front != 0)) {
    if (size >= this_thread.quick_sizes) return allocate_opened(asked);
    if (scope.tenant == 0) return allocate_slower(asked);
  }
  return take_pooled(tenant_inside(scope), slot_in_front(size), asked, allocate_slower);
}

// Nothing that the fast path knows, nor a pooled object.
static TENURE_NOINLINE void deallocate_slower(void* object) {
  const Found found = find_object(object);
  if (TENURE_UNLIKELY(arena.hardened)) return free_object(found, object);
  if (found.run->kind == RunKind::kLarge) return free_large(found.number);
  free_object(found, object);
}

void deallocate_foreign(void* object) {
  if (object != nullptr) deallocate_slower(object);
}

// The object lies in the arena, and its slab's entry is closed or its list full.
void deallocate_slow(void* object) {
  const uint64_t place = in_arena(object);
  if (TENURE_LIKELY(give_pooled(place, object))) return;
  const uint32_t number =
      hot.entries[place >> kGranuleShift].descriptor.load(std::memory_order_relaxed);
  if (!stash_object(number, place)) deallocate_slower(object);
}

TENURE_NOINLINE void deallocate_into(Cache& cache, void* object) {
  const int saved = errno;
  free_into(cache, object);
  errno = saved;
}

void* allocate_zeroed_slow(size_t size) {
  if (size > kLargestSmall) return allocate_beyond_slabs(size, 1, Fill::kZero);
  void* const object = allocate_slow(size);
  if (object) __builtin_memset(object, 0, size);
  return object;
}

void* allocate_aligned_slow(size_t size, size_t alignment) {
  if (size <= kLargestSmall && alignment <= kLargestSmall)
    return allocate(aligned_size(size, alignment));
  return allocate_beyond_slabs(size, alignment, Fill::kAny);
}

void* allocate_for(Tenant& tenant, size_t size, size_t alignment, Fill fill) {
  if (TENURE_UNLIKELY(!bootstrapped()) && !bootstrap()) return out_of_memory();
  if (size > kLargestSmall || alignment > kLargestSmall) {
    return mark_allocated(allocate_large(tenant, size, alignment, fill));
  }
  const ClassId id = class_of(aligned_size(size, alignment));
  struct Request {
    Tenant& tenant;
    CacheFamily& family;
  } const request{tenant, class_families[index_of(id)]};
  void* (*const slower)(const Request*) = [](const Request* r) {
    return allocate_from_family(r->tenant, r->family);
  };
  const bool quick = front_sizes() != 0 && &tenant != &root_tenant;
  void* const object =
      quick ? take_pooled(tenant, slot_in_front(id), &request, slower) : slower(&request);
  if (object && fill == Fill::kZero) __builtin_memset(object, 0, size);
  return object;
}

void* allocate_from_family(Tenant& tenant, CacheFamily& family) {
  return hand_out(allocate_small(tenant, family));
}

// The start of an object that a cache gave out from its middle.
static const void* block_of(const void* object) {
  const uint32_t granule = granule_of(object);
  if (granule == kNoGranule) report_bad_pointer(object);
  const uint32_t number = arena.page_map.at(granule).descriptor.load(std::memory_order_relaxed);
  const RunDescriptor& run = arena.descriptors.at(number);
  const bool prefixed = number != 0 && run.kind == RunKind::kSlab && run.cache->family->prefix != 0;
  return prefixed ? static_cast<const char*>(object) - run.cache->family->prefix : object;
}

const CacheFamily* family_of(const void* object) {
  const RunDescriptor& run = *find_object(object).run;
  return run.kind == RunKind::kSlab ? run.cache->family : nullptr;
}

Tenant& pin_owner(const void* object) {
  const RunDescriptor& run = *find_object(block_of(object)).run;
  const AccountingContext* const payer = payer_of(run, object);
  if (payer == nullptr) return root_tenant;
  grace::ReadSection section;
  return payer->tenant()->pin_nearest();
}

void* transfer(Tenant& tenant, void* object) {
  const Found found = find_object(object);
  const RunDescriptor& run = *found.run;
  if (run.kind == RunKind::kLarge) {
    return transfer_large(found.number, tenant) ? object : out_of_memory();
  }
  void* const moved = allocate_for(tenant, run.object_size, 1, Fill::kAny);
  if (moved == nullptr) return nullptr;
  __builtin_memcpy(moved, object, run.object_size);
  deallocate(object);
  return moved;
}

size_t usable_size(const void* object) {
  if (object == nullptr) return 0;
  const RunDescriptor& run = *find_object(object).run;
  return run.kind == RunKind::kSlab ? run.object_size : run.large_bytes;
}

}  // namespace tenure
