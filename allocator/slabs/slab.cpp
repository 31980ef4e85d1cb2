#include "allocator/slabs/slab.h"

#include "accounting/callbacks/user_call.h"
#include "accounting/charge/charge.h"
#include "allocator/hooks.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/family.h"
#include "allocator/slabs/holes.h"
#include "allocator/slabs/misuse.h"
#include "allocator/slabs/sampling.h"
#include "allocator/slabs/slab_remains.h"
#include "base/memory/meta_arena.h"
#include "base/system/check.h"
#include "base/words/atomic_update.h"

namespace tenure {
namespace {

// Objects that one slow step makes available for the first time.
uint16_t carve_count(const Cache& cache, uint32_t carved) {
  const size_t size = cache.object_size, bytes = carve_bytes(cache);
  // Up to the next border of that many bytes, so that the last page is filled before the next is touched.
  const size_t from = carved * size;
  const size_t count = (round_up(from + 1, bytes) - from) / size;
  return static_cast<uint16_t>(count == 0 ? 1 : count);
}

void prefault(const Cache& cache, char* base, uint32_t from, uint32_t count) {
  const uint64_t start =
      round_up(reinterpret_cast<uint64_t>(base) + size_t{from} * cache.object_size, kPageSize);
  const uint64_t end = round_up(
      reinterpret_cast<uint64_t>(base) + size_t{from + count} * cache.object_size, kPageSize);
  if (end > start) prefault_pages(reinterpret_cast<void*>(start), end - start);
}

// Chains the objects [from, from + count), lowest first.
ChainWord thread_objects(const Cache& cache, char* base, uint32_t from, uint32_t count) {
  ChainWord chain = list_end(cache.limit);
  for (uint32_t i = from + count; i-- > from;) {
    chain = chain_push(base + size_t{i} * cache.object_size, chain);
  }
  return chain;
}

// A run of objects of one slab on their way back to it.
struct Batch {
  static constexpr uint32_t kMost = 64;
  uint32_t number = 0;  // Descriptor
  uint32_t count = 0;
  const RunDescriptor* slab = nullptr;
  const char* base = nullptr;
  size_t bytes = 0;
  void* objects[kMost];

  uint64_t offset_of(const void* object) const {
    return reinterpret_cast<uint64_t>(object) - reinterpret_cast<uint64_t>(base);
  }
  bool is_of_slab(const void* object) const { return offset_of(object) < bytes; }
  // Looks the object's slab up; reports what is none of the cache's.
  void start(const Cache& cache, const void* object) {
    const uint32_t granule = granule_of(object);
    if (granule == kNoGranule) report_misuse(Misuse::kCorruptedChain, object);
    number = arena.page_map.at(granule).descriptor.load(std::memory_order_relaxed);
    slab = &arena.descriptors.at(number);
    if (number == 0 || slab->kind != RunKind::kSlab) report_misuse(Misuse::kCorruptedChain, object);
    if (slab->cache != &cache) report_misuse(Misuse::kWrongClass, object);
    base = slab_base(*slab);
    bytes = size_t{slab->granules} * kGranuleSize;
    count = 0;
  }
};

// `count` wraps around where objects are put back to be carved another time.
void count_carved(Cache& cache, uint64_t count) {
  cache.carved.fetch_add(count, std::memory_order_relaxed);
  cache.out.fetch_add(count, std::memory_order_relaxed);
}

// Returns whether the slab's memory went back to the page heap.
bool give_batch(Cache& cache, const Batch& batch) {
  RunDescriptor& slab = arena.descriptors.at(batch.number);
  const Remains remains(slab);
  char* const base = slab_base(slab);
  void* const first = batch.objects[batch.count - 1];
  const uint32_t index =
      object_index(slab, static_cast<uint64_t>(static_cast<char*>(first) - base)).index;
  // The links are written again for each attempt; the objects are ours until it succeeds.
  const auto updated = atomic_update(slab.state, [&](SlabState state) -> std::optional<SlabState> {
    if (state.free + batch.count > state.carved) return std::nullopt;
    const SlabState after =
        give_back(state, static_cast<uint16_t>(index), static_cast<uint16_t>(batch.count));
    if (after.dead()) return after;
    ChainWord chain = free_chain(cache, base, state);
    for (uint32_t i = 0; i < batch.count; ++i) chain = chain_push(batch.objects[i], chain);
    return after;
  });
  if (!updated) report_misuse(Misuse::kDoubleFree, first);  // More came back than ever left.
  cache.out.fetch_sub(batch.count, std::memory_order_relaxed);
  return settle_slab(cache, batch.number, remains, updated->before, updated->after);
}

// Constructs the objects [from, from + count); returns how many there are before the first whose constructor threw.
uint32_t construct(const CacheFamily& family, const Cache& cache, char* base, uint32_t from,
                   uint32_t count) {
  const CancellationPause pause;
  for (uint32_t i = 0; i < count; ++i) {
    void* const object = base + size_t{from + i} * cache.object_size + family.prefix;
    if (!call_constructor(family.constructor, object)) return i;
  }
  return count;
}

// carved_objects() where there is a constructor. The place is kept until they are constructed: those that cannot be are put back to
// be carved another time, and nobody must have carved beyond them. (Without the place they are the slab's last.) Closed word
// where that is all of them.
TENURE_SLOW ChainWord constructed_objects(Cache& cache, uint32_t number, uint32_t from,
                                          uint32_t count, bool placed) {
  RunDescriptor& slab = arena.descriptors.at(number);
  char* const base = slab_base(slab);
  const uint32_t good = construct(*cache.family, cache, base, from, count);
  if (good == count) {
    if (placed) cache.partial.push(number);
    return thread_objects(cache, base, from, count);
  }
  const Remains remains(slab);
  const auto updated = atomic_update(slab.state, [&](SlabState state) -> std::optional<SlabState> {
    return uncarve(state, static_cast<uint16_t>(from + good));
  });
  const bool off_list = placed || !updated->before.listed();
  count_carved(cache, uint64_t{good} - count);
  if (updated->after.dead()) {
    remains.release(cache, updated->after.carved);
    if (off_list) arena.descriptors.release(number);
    return kClosedWord;
  }
  if (off_list) cache.partial.push(number);
  return good != 0 ? thread_objects(cache, base, from, good) : kClosedWord;
}

// The objects [from, from + count), carved just now and this thread's, for the first time. `placed`: it also holds the slab's place
// on the partial list, or the slab is new and is to be put there.
ChainWord carved_objects(Cache& cache, uint32_t number, uint32_t from, uint32_t count,
                         bool placed) {
  const RunDescriptor& slab = arena.descriptors.at(number);
  // Its memory cannot go away: objects of it are in our hands.
  char* const base = slab_base(slab);
  if (cache.family && cache.family->constructor)
    return constructed_objects(cache, number, from, count, placed);
  const bool fresh = slab.fresh;
  if (placed) cache.partial.push(number);
  if (fresh) prefault(cache, base, from, count);
  return thread_objects(cache, base, from, count);
}

}  // namespace

char* slab_base(const RunDescriptor& slab) {
  return static_cast<char*>(arena.page_heap.address(slab.granule));
}

ChainWord free_chain(const Cache& cache, char* base, SlabState state) {
  if (state.head == 0) return list_end(cache.limit);
  return chain_word(reinterpret_cast<uint64_t>(base + size_t{state.head - 1u} * cache.object_size),
                    static_cast<uint16_t>(cache.limit - state.chained()));
}

bool settle_slab(Cache& cache, uint32_t number, const Remains& remains, SlabState before,
                 SlabState after) {
  if (after.dead()) {
    remains.release(cache, after.carved);
    // On a list it is recycled when it comes up there.
    if (!before.listed()) arena.descriptors.release(number);
    return true;
  }
  if (!before.listed()) list_slab(cache, number, after);
  return false;
}

void list_slab(Cache& cache, uint32_t number, SlabState state) {
  (gives_holes_only(state) ? cache.pierced : cache.partial).push(number);
}

TagPlace tag_place_of(const RunDescriptor& slab) {
  const Cache& cache = *slab.cache;
  const bool quick =
      slab.pooling == Pooling::kQuick && slab.granules == 1 && cache.class_id != kNamedClass;
  return quick ? TagPlace{slab.tags, index_of(cache.class_id) + 1} : TagPlace{};
}

uint64_t DescriptorLinks::load(uint64_t node) {
  return arena.descriptors.at(static_cast<uint32_t>(node)).next.load(std::memory_order_relaxed);
}
void DescriptorLinks::store(uint64_t node, uint64_t next) {
  arena.descriptors.at(static_cast<uint32_t>(node)).next.store(next, std::memory_order_relaxed);
}

uint32_t DescriptorTable::allocate() {
  if (const uint64_t recycled = unused_.pop()) return static_cast<uint32_t>(recycled);
  for (;;) {
    uint32_t number = next_.load(std::memory_order_acquire);
    if (!range_.ensure((size_t{number} + 1) * sizeof(RunDescriptor))) return 0;
    if (next_.compare_exchange_weak(number, number + 1, std::memory_order_acq_rel)) return number;
  }
}

void DescriptorTable::release(uint32_t number) {
  at(number).kind = RunKind::kNone;
  at(number).pooling = Pooling::kNone;
  unused_.push(number);
}

// The parts of a slab in the making.
struct Makings {
  uint32_t number;  // Descriptor
  uint32_t granule, granules;
  bool fresh;
  std::atomic<uint32_t>* tags;
  AccountingContext* context;
};

// Describes the slab and makes it the cache's. `count` objects are carved, for the caller.
void start_slab(Cache& cache, const Makings& made, uint16_t count) {
  RunDescriptor& slab = arena.descriptors.at(made.number);
  slab.context = made.context;
  slab.pooling = !cache.pooled                                     ? Pooling::kNone
                 : arena.rseq && !arena.hardened && !cache.sampled ? Pooling::kQuick
                                                                   : Pooling::kPooled;
  slab.tags = made.tags;
  slab.age = 0;
  slab.collected = may_collect(cache);
  if (slab.collected) slab.purged = 0;
  slab.cache = &cache;
  slab.granule = made.granule;
  slab.granules = made.granules;
  slab.object_size = cache.object_size;
  slab.reciprocal = cache.reciprocal;
  slab.capacity = cache.capacity;
  slab.kind = RunKind::kSlab;
  slab.fresh = made.fresh;
  const uint16_t flags = count < cache.capacity ? SlabState::kListed : uint16_t{0};
  slab.state.store({0, 0, count, flags}, std::memory_order_release);
  // Without rseq the push of the fast path must not reach the front: its words change by
  // compare-and-swap. Frees into the pool need more than a push.
  const bool pushed = arena.rseq && !cache.pooled && !cache.sampled;
  const uint32_t slot = pushed ? cache.front_slot.load(std::memory_order_relaxed) : 0;
  arena.page_map.set(made.granule, made.granules, slot, made.number);
  if (cache.pooled) arena.page_map.set_tag_place(made.granule, tag_place_of(slab));
  cache.slabs.fetch_add(1, std::memory_order_relaxed);
  count_carved(cache, count);
  if (cache.pooled && !cache.sampled) cache.family->recent.note(made.number);
}

// A slab of a type-safe cache that waits for readers goes on as a slab of the cache, with the objects that it had. Closed word: none.
ChainWord revive_slab(Cache& cache, WaitingSlabs& waiting) {
  if (cache.isolated) return kClosedWord;
  WaitingSlab* const record = waiting.take(cache.has_tags());
  if (record == nullptr) return kClosedWord;
  const uint32_t number = arena.descriptors.allocate();
  if (number == 0) {
    waiting.add(*record);
    return kClosedWord;
  }
  const uint16_t count = record->carved;
  start_slab(cache, {number, record->granule, record->granules, false, record->tags(), nullptr},
             count);
  char* const base = slab_base(arena.descriptors.at(number));
  if (count < cache.capacity) cache.partial.push(number);
  return thread_objects(cache, base, 0, count);
}

ChainWord create_slab(Cache& cache) {
  if (WaitingSlabs* const waiting = waiting_of(cache)) {
    const ChainWord revived = revive_slab(cache, *waiting);
    if (revived != kClosedWord) return revived;
  }
  // Charged before it is had. The context that pays may be an ancestor's, if the tenant goes right now.
  const size_t bytes = cache.granules * kGranuleSize;
  AccountingContext* context = nullptr;
  if (cache.isolated) {
    context = charge_if_it_fits(*cache.owner, bytes);
    if (context == nullptr) {
      make_room_of_stocks(*cache.owner, bytes);
      context = charge(*cache.owner, bytes, RequestKind::kSmall);
    }
    if (context == nullptr) return kClosedWord;
  }
  const bool for_tenant = cache.owner != &root_tenant || cache.pooled;
  const Occasion occasion = for_tenant ? Occasion::kMallocForTenant : Occasion::kMallocForRoot;
  const bool beside = beside_bytes(cache) != 0;
  std::atomic<uint32_t>* const tags =
      beside ? tags_in(cache, static_cast<char*>(meta_arena.allocate(beside_bytes(cache))))
             : nullptr;
  const uint32_t number = tags || !beside ? arena.descriptors.allocate() : 0;
  const Run run =
      number ? allocate_run(cache.granules, 1, Fill::kAny, occasion, RequestKind::kSmall) : Run{};
  if (!run) {
    release_beside(cache, tags);
    if (number) arena.descriptors.release(number);
    if (context) uncharge(*context, bytes);
    return kClosedWord;
  }
  const uint16_t wanted = carve_count(cache, 0);
  const uint16_t count = wanted < cache.capacity ? wanted : cache.capacity;
  start_slab(cache, {number, run.granule, run.granules, run.fresh, tags, context}, count);
  return carved_objects(cache, number, 0, count, count < cache.capacity);
}

// The next slab that may have something to give: those whose memory is there come first.
static uint32_t pop_slab(Cache& cache) {
  while (const auto number = static_cast<uint32_t>(cache.partial.pop())) {
    const RunDescriptor& slab = arena.descriptors.at(number);
    if (!gives_holes_only(slab.state.load(std::memory_order_acquire))) return number;
    cache.pierced.push(number);
  }
  return static_cast<uint32_t>(cache.pierced.pop());
}

ChainWord take_from_partial(Cache& cache) {
  while (const uint32_t number = pop_slab(cache)) {
    RunDescriptor& slab = arena.descriptors.at(number);
    note_use(slab);
    const auto updated = atomic_update(slab.state, [&](SlabState state) {
      return take(state, carve_count(cache, state.carved), cache.capacity);
    });
    if (!updated) {
      arena.descriptors.release(number);  // Dead, and now off the list.
      continue;
    }
    // Its memory cannot go away: objects of it are in our hands.
    const uint32_t carved = updated->after.carved - uint32_t{updated->before.carved};
    const bool listed = updated->after.listed();
    if (carved != 0) {
      count_carved(cache, carved);
      return carved_objects(cache, number, updated->before.carved, carved, listed);
    }
    const uint32_t chained = updated->before.chained();
    if (chained == 0) {
      // Without holes either, a collector has what is free: it will list the slab again.
      if (updated->before.holes() == 0) continue;
      return fill_holes(cache, number, updated->before, listed);
    }
    cache.out.fetch_add(chained, std::memory_order_relaxed);
    char* const base = slab_base(slab);
    if (listed) list_slab(cache, number, updated->after);
    const ChainWord chain = free_chain(cache, base, updated->before);
    // Its end may be of a time when objects were not sampled.
    if (TENURE_UNLIKELY(is_sampling()) && arena.rseq) end_in_sentinel(chain, cache.limit);
    return chain;
  }
  return kClosedWord;
}

uint32_t give_to_slabs(Cache& cache, ChainWord chain) {
  uint32_t emptied = 0;
  size_t all = SIZE_MAX;
  give_some_to_slabs(cache, chain, all, emptied);
  return emptied;
}

ChainWord give_some_to_slabs(Cache& cache, ChainWord chain, size_t& most, uint32_t& emptied) {
  Batch batch;
  for (; has_objects(chain) && most > 0; --most) {
    void* const object = first_object(chain);
    // Neighbours in a chain often are in a slab. It cannot go away while one of its objects is in our hands.
    if (batch.count == 0 || !batch.is_of_slab(object)) {
      if (batch.count > 0) emptied += give_batch(cache, batch);
      batch.start(cache, object);
    }
    if (!object_index(*batch.slab, batch.offset_of(object)).exact)
      report_misuse(Misuse::kInteriorPointer, object);
    const ChainWord rest = load_link(object);
    if (!is_rest(rest, chain)) report_misuse(Misuse::kCorruptedChain, object);
    batch.objects[batch.count++] = object;
    chain = rest;
    if (batch.count < Batch::kMost) continue;
    emptied += give_batch(cache, batch);
    batch.count = 0;
  }
  if (batch.count > 0) emptied += give_batch(cache, batch);
  return chain;
}

}  // namespace tenure
