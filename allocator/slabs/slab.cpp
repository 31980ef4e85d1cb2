#include "allocator/slabs/slab.h"

#include "accounting/callbacks/user_call.h"
#include "accounting/charge/charge.h"
#include "allocator/hooks.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/family.h"
#include "allocator/slabs/last_payer.h"
#include "allocator/slabs/misuse.h"
#include "allocator/slabs/sampling.h"
#include "base/memory/meta_arena.h"
#include "base/system/check.h"
#include "base/words/atomic_update.h"

namespace tenure {
namespace {

// Objects that one slow step makes available for the first time: about a page's worth, so that pages are not touched
// before they are needed, but a few of the larger ones, so that not every allocation is a slow step; more where the cache
// has grown to several slabs and will fill these pages soon.
uint16_t carve_count(const Cache& cache, uint32_t carved) {
  constexpr uint32_t kGrownSlabs = 8;
  const size_t size = cache.object_size;
  size_t bytes = size >= 2 * kPageSize      ? size
                 : size * 8 < 2 * kPageSize ? kPageSize
                                            : 2 * kPageSize;
  if (cache.slabs.load(std::memory_order_relaxed) > kGrownSlabs) bytes = 4 * kPageSize;
  // Up to the next border of that many bytes, so that the last page is filled before the next is touched.
  const size_t from = carved * size;
  const size_t count = (round_up(from + 1, bytes) - from) / size;
  return static_cast<uint16_t>(count == 0 ? 1 : count);
}

ChainWord free_chain(const Cache& cache, char* base, SlabState state) {
  if (state.head == 0) return list_end(cache.limit);
  return chain_word(reinterpret_cast<uint64_t>(base + size_t{state.head - 1u} * cache.object_size),
                    static_cast<uint16_t>(cache.limit - state.free));
}

// Growing caches fault their pages in together, which halves the cost of each.
void prefault(const Cache& cache, char* base, uint32_t from, uint32_t count) {
  const uint64_t start =
      round_up(reinterpret_cast<uint64_t>(base) + size_t{from} * cache.object_size, kPageSize);
  const uint64_t end = round_up(
      reinterpret_cast<uint64_t>(base) + size_t{from + count} * cache.object_size, kPageSize);
  if (end < start + 2 * kPageSize) return;
  if (end - start > static_cast<size_t>(arena.settings.prefault_kib) * kKiB) return;
  os::populate(reinterpret_cast<void*>(start), end - start);
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

bool has_tags(const Cache& cache) { return cache.pooled || cache.sampled; }
// Those of samples lie behind those of owners.
size_t tag_bytes(const Cache& cache) {
  return cache.capacity * sizeof(uint32_t) * (cache.sampled ? 2 : 1);
}

// `count` wraps around where objects are put back to be carved another time.
void count_carved(Cache& cache, uint64_t count) {
  cache.carved.fetch_add(count, std::memory_order_relaxed);
  cache.out.fetch_add(count, std::memory_order_relaxed);
}

// The remains of a dying slab. Copied before the exchange: afterwards its descriptor may be recycled by others at once.
struct Remains {
  const uint32_t granule, granules;
  AccountingContext* const context;
  std::atomic<uint32_t>* const tags;

  explicit Remains(const RunDescriptor& slab)
      : granule(slab.granule), granules(slab.granules), context(slab.context),
        tags(has_tags(*slab.cache) ? slab.tags : nullptr) {}

  void release(Cache& cache, uint32_t carved) const {
    cache.carved.fetch_sub(carved, std::memory_order_relaxed);
    note_last_payer(granule, granules, context ? context : cache.payer);
    arena.page_map.set(granule, granules, 0, 0);
    if (tags) arena.page_map.set_tag_place(granule, {});
    // At the hardened level of the links of its free objects.
    release_run(granule, granules, cache.isolated || arena.hardened);
    if (context) uncharge(*context, granules * kGranuleSize);
    if (tags) meta_arena.release(tags, tag_bytes(cache));
    pay_for_free_pages(granules * kGranuleSize);
    // Release: who sees that none is left, and takes the descriptors, comes after all who had objects of them.
    cache.slabs.fetch_sub(1, std::memory_order_release);
  }
};

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
  if (updated->after.dead()) {
    remains.release(cache, updated->after.carved);
    // On the list it is recycled when it comes up there.
    if (!updated->before.listed()) arena.descriptors.release(batch.number);
    return true;
  }
  if (!updated->before.listed()) cache.partial.push(batch.number);
  return false;
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

ChainWord create_slab(Cache& cache) {
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
  void* const tags = has_tags(cache) ? meta_arena.allocate(tag_bytes(cache)) : nullptr;
  const uint32_t number = tags || !has_tags(cache) ? arena.descriptors.allocate() : 0;
  const Run run =
      number ? allocate_run(cache.granules, 1, Fill::kAny, occasion, RequestKind::kSmall) : Run{};
  if (!run) {
    if (tags) meta_arena.release(tags, tag_bytes(cache));
    if (number) arena.descriptors.release(number);
    if (context) uncharge(*context, bytes);
    return kClosedWord;
  }
  RunDescriptor& slab = arena.descriptors.at(number);
  slab.context = context;
  slab.pooling = !cache.pooled                                     ? Pooling::kNone
                 : arena.rseq && !arena.hardened && !cache.sampled ? Pooling::kQuick
                                                                   : Pooling::kPooled;
  slab.tags = static_cast<std::atomic<uint32_t>*>(tags);
  slab.cache = &cache;
  slab.granule = run.granule;
  slab.granules = run.granules;
  slab.object_size = cache.object_size;
  slab.reciprocal = cache.reciprocal;
  slab.capacity = cache.capacity;
  slab.kind = RunKind::kSlab;
  slab.fresh = run.fresh;
  const uint16_t wanted = carve_count(cache, 0);
  const uint16_t count = wanted < cache.capacity ? wanted : cache.capacity;
  const bool more = count < cache.capacity;
  slab.state.store({0, 0, count, more ? SlabState::kListed : uint16_t{0}},
                   std::memory_order_release);
  // Without rseq the push of the fast path must not reach the front: its words change by
  // compare-and-swap. Frees into the pool need more than a push.
  const bool pushed = arena.rseq && !cache.pooled && !cache.sampled;
  const uint32_t slot = pushed ? cache.front_slot.load(std::memory_order_relaxed) : 0;
  arena.page_map.set(run.granule, run.granules, slot, number);
  if (tags) arena.page_map.set_tag_place(run.granule, tag_place_of(slab));
  cache.slabs.fetch_add(1, std::memory_order_relaxed);
  count_carved(cache, count);
  if (cache.pooled && !cache.sampled) cache.family->recent.note(number);
  return carved_objects(cache, number, 0, count, more);
}

ChainWord take_from_partial(Cache& cache) {
  while (const uint32_t number = static_cast<uint32_t>(cache.partial.pop())) {
    RunDescriptor& slab = arena.descriptors.at(number);
    const auto updated = atomic_update(slab.state, [&](SlabState state) {
      const auto taken = take_all(state, cache.capacity);
      return taken ? taken : carve(state, carve_count(cache, state.carved), cache.capacity);
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
    cache.out.fetch_add(updated->before.free, std::memory_order_relaxed);
    char* const base = slab_base(slab);
    if (listed) cache.partial.push(number);
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
