#include "allocator/slabs/holes.h"

#include "allocator/slabs/arena.h"
#include "allocator/slabs/family.h"
#include "allocator/slabs/misuse.h"
#include "allocator/slabs/sampling.h"
#include "allocator/slabs/slab_remains.h"
#include "base/system/check.h"
#include "base/words/atomic_update.h"

namespace tenure {
namespace {

static_assert(kMostCollected <= SlabState::kMostHoles);

// A collection is a walk along the free list. If less than this share of a slab is free, a page is seldom free.
constexpr size_t kWorthShare = 8;
// Ages above kCollectedOnce: the free part of a slab in sixty-fourths.
constexpr uint32_t kLevels = 64;
constexpr uint8_t kLevelsMore = 8;

// The objects of a slab that a collector holds.
class FreeSet {
public:
  bool has(uint32_t i) const { return words_[i / 64] >> (i % 64) & 1; }
  void add(uint32_t i) { words_[i / 64] |= 1ULL << (i % 64); }
  void remove(uint32_t i) { words_[i / 64] &= ~(1ULL << (i % 64)); }
  // Calls f(index) in descending order.
  template <typename F>
  void for_each(F f) const {
    for (uint32_t w = words_.size(); w-- > 0;) {
      for (uint64_t bits = words_[w]; bits != 0;) {
        const auto top = static_cast<uint32_t>(63 - std::countl_zero(bits));
        bits &= ~(1ULL << top);
        f(w * 64 + top);
      }
    }
  }
  // Of a set that is not empty.
  uint32_t first() const {
    uint32_t w = 0;
    while (words_[w] == 0) ++w;
    return w * 64 + static_cast<uint32_t>(std::countr_zero(words_[w]));
  }

private:
  std::array<uint64_t, kMostCollected / 64> words_{};
};

// A slab out of which everything free was taken: it stays as it is while these objects are missing.
class Collection {
public:
  Collection(uint32_t number, RunDescriptor& slab, SlabState before)
      : number_(number), slab_(slab), cache_(*slab.cache), before_(before), base_(slab_base(slab)) {
    add_list();
    for_each_object_on(slab_.purged, size(), before_.carved, [this](uint32_t i) { set_.add(i); });
  }

  // Returns the pages to the system that can go, if there are so many. The number of bytes.
  size_t return_pages(uint32_t least) {
    const PageBits before = slab_.purged;
    const PageBits found = ~before & pages_without_live(size(), before_.carved, slab_.capacity,
                                                        [this](uint32_t i) { return set_.has(i); });
    if (static_cast<uint32_t>(std::popcount(found)) < least) return 0;
    PageBits done = 0;
    for_each_run(found, [&](unsigned at, unsigned length) {
      if (arena.page_heap.return_part(slab_.granule, at * kPageSize, length * kPageSize))
        done |= low_mask(length) << at;
    });
    std::atomic_ref(slab_.purged).store(before | done, std::memory_order_relaxed);
    return static_cast<size_t>(std::popcount(done)) * kPageSize;
  }

  // Gives everything back, in the order of addresses.
  void give_back() {
    uint16_t holes = 0;
    for_each_object_on(slab_.purged, size(), before_.carved, [&](uint32_t i) {
      set_.remove(i);
      ++holes;
    });
    const auto count = static_cast<uint16_t>(before_.free - holes);
    const auto head = static_cast<uint16_t>(count != 0 ? set_.first() : 0);
    const Remains remains(slab_);
    // The links are written again for each attempt; the objects are ours until it succeeds.
    const auto updated =
        atomic_update(slab_.state, [&, this](SlabState state) -> std::optional<SlabState> {
          if (state.free + before_.free > state.carved) return std::nullopt;
          const SlabState after = give_back_with_holes(state, head, count, holes);
          if (after.dead()) return after;
          ChainWord chain = free_chain(cache_, base_, state);
          set_.for_each([&](uint32_t i) { chain = chain_push(object(i), chain); });
          return after;
        });
    if (!updated) report_misuse(Misuse::kDoubleFree, object(head));
    settle_slab(cache_, number_, remains, updated->before, updated->after);
  }

private:
  size_t size() const { return slab_.object_size; }
  char* object(uint32_t i) const { return base_ + i * size(); }

  void add_list() {
    ChainWord chain = free_chain(cache_, base_, before_);
    for (uint32_t left = before_.chained(); left > 0; --left) {
      char* const first = static_cast<char*>(first_object(chain));
      const auto offset = static_cast<uint64_t>(first - base_);
      const bool inside = has_objects(chain) && offset < slab_.granules * kGranuleSize;
      const ObjectIndex at = inside ? object_index(slab_, offset) : ObjectIndex{};
      if (!at.exact || at.index >= before_.carved || set_.has(at.index))
        report_misuse(Misuse::kCorruptedChain, first);
      set_.add(at.index);
      const ChainWord rest = load_link(first);
      if (!is_rest(rest, chain)) report_misuse(Misuse::kCorruptedChain, first);
      chain = rest;
    }
  }

  const uint32_t number_;
  RunDescriptor& slab_;
  Cache& cache_;
  const SlabState before_;
  char* const base_;
  FreeSet set_;
};

// Another slab than was meant, by now, which is not collected.
void give_back_unseen(RunDescriptor& slab, SlabState before) {
  Cache& cache = *slab.cache;
  atomic_update(slab.state, [](SlabState state) { return std::optional(give_map_back(state)); });
  cache.out.fetch_add(before.free, std::memory_order_relaxed);
  give_to_slabs(cache, free_chain(cache, slab_base(slab), before));
}

uint8_t level_of(SlabState state, uint32_t capacity) {
  return static_cast<uint8_t>(kCollectedOnce + state.free * kLevels / capacity);
}

}  // namespace

bool may_collect(const Cache& cache) {
  const size_t bytes = cache.granules * kGranuleSize;
  const bool constructed = cache.family && cache.family->constructor;
  return !cache.has_tags() && waiting_of(cache) == nullptr && !constructed &&
         cache.capacity <= kMostCollected && bytes <= kMostSlabPages * kPageSize;
}

TENURE_STALE_READ size_t bytes_to_collect(uint32_t number, VisitKind kind) {
  RunDescriptor& slab = arena.descriptors.at(number);
  if (slab.kind != RunKind::kSlab || !slab.collected) return 0;
  const SlabState state = slab.state.load(std::memory_order_acquire);
  if (state.dead() || state.chained() == 0) return 0;
  const uint8_t age = std::atomic_ref(slab.age).load(std::memory_order_relaxed);
  if (age == kUsed && kind == VisitKind::kIdle) {
    std::atomic_ref(slab.age).store(kVisited, std::memory_order_relaxed);
    return 0;
  }
  if (age >= kCollectedOnce && level_of(state, slab.capacity) < age + kLevelsMore) return 0;
  const size_t bytes = size_t{state.chained()} * slab.object_size;
  const size_t worth = slab.granules * kGranuleSize / kWorthShare;
  return bytes >= worth && bytes >= kPageSize ? bytes : 0;
}

size_t collect_slab(uint32_t number, uint32_t least_pages) {
  RunDescriptor& slab = arena.descriptors.at(number);
  const auto taken = atomic_update(slab.state, [](SlabState state) { return collect(state); });
  if (!taken) return 0;
  // From here on objects of it, and its map, are in our hands.
  if (!slab.collected) {
    give_back_unseen(slab, taken->before);
    return 0;
  }
  std::atomic_ref(slab.age).store(level_of(taken->before, slab.capacity),
                                  std::memory_order_relaxed);
  Collection collection(number, slab, taken->before);
  const size_t bytes = collection.return_pages(least_pages);
  collection.give_back();
  return bytes;
}

ChainWord fill_holes(Cache& cache, uint32_t number, SlabState before, bool placed) {
  RunDescriptor& slab = arena.descriptors.at(number);
  char* const base = slab_base(slab);
  const PageBits filled = pages_to_fill(slab.purged, cache.object_size, carve_bytes(cache));
  const PageBits left = slab.purged & ~filled;
  std::atomic_ref(slab.purged).store(left, std::memory_order_relaxed);
  for_each_run(filled, [base](unsigned at, unsigned length) {
    prefault_pages(base + at * kPageSize, length * kPageSize);
  });
  uint16_t count = 0;
  ChainWord chain = list_end(cache.limit);
  for_each_object_on(filled, cache.object_size, before.carved, [&](uint32_t i) {
    if (pages_of_object(cache.object_size, i) & left) return;
    chain = chain_push(base + size_t{i} * cache.object_size, chain);
    ++count;
  });
  TENURE_ASSERT(count != 0);
  cache.out.fetch_add(count, std::memory_order_relaxed);
  // The slab cannot die: the caller has some of its objects.
  const auto rest = static_cast<uint16_t>(before.holes() - count);
  const auto updated = atomic_update(slab.state, [rest](SlabState state) {
    return std::optional(rest != 0 ? give_back_with_holes(state, 0, 0, rest)
                                   : give_map_back(state));
  });
  placed |= rest != 0 && !updated->before.listed();
  if (placed) list_slab(cache, number, updated->after);
  return chain;
}

// About a page's worth, so that pages are not touched before they are needed, but a few of the larger objects, so that not every
// allocation is a slow step; more where the cache has grown to several slabs and will fill these pages soon.
size_t carve_bytes(const Cache& cache) {
  constexpr uint32_t kGrownSlabs = 8;
  if (cache.slabs.load(std::memory_order_relaxed) > kGrownSlabs) return 4 * kPageSize;
  const size_t size = cache.object_size;
  if (size >= 2 * kPageSize) return size;
  return size * 8 < 2 * kPageSize ? kPageSize : 2 * kPageSize;
}

void prefault_pages(void* start, size_t bytes) {
  if (bytes < 2 * kPageSize || bytes > static_cast<size_t>(arena.settings.prefault_kib) * kKiB)
    return;
  os::populate(start, bytes);
}

}  // namespace tenure
