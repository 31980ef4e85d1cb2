#include "allocator/heap.h"

#include <errno.h>

#include "allocator/bootstrap.h"
#include "allocator/front.h"
#include "allocator/large.h"
#include "allocator/misuse.h"
#include "allocator/reclaim.h"

namespace tenure {
namespace {

// A free list shorter than this is popped from directly; swapping it in would make every few allocations slow.
constexpr uint16_t kWorthSwapping = 8;
// A class that keeps finding its lists short is hot: every so often it gets more objects, until a swap moves half a
// full list. Classes that are seldom used never pay for that in memory.
constexpr uint32_t kTopUpEvery = 32;
// What realloc lengthens beyond this gets granules of its own even where a class would do: there it can go on growing without
// being copied again. The rest of the granule costs address space, and memory only as far as it is used.
constexpr size_t kLongestCopied = kGranuleSize / 2;

void* out_of_memory() {
  errno = ENOMEM;
  return nullptr;
}

// The chain's first object. The rest becomes the CPU's allocation list, or goes to the depot if others were faster.
void* split_first(Cache& cache, const Front& front, ChainWord chain) {
  void* const object = first_object(chain);
  const ChainWord rest = load_link(object);
  if (!follows(rest, chain)) report_misuse(Misuse::kCorruptedChain, object);
  if (!front.install(rest) && has_objects(rest)) cache.depot.push(rest);
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
  ChainWord stray;
  void* object = front.pop(Front::kAllocWord, &stray);
  if (object == nullptr) {
    const ChainWord word = front.load(Front::kFreeWord);
    if (!has_objects(word)) return nullptr;
    const uint16_t listed = chain_length(word, cache.limit);
    if (wants_more(cache, listed)) return nullptr;
    if (listed >= kWorthSwapping || listed >= cache.limit / 2) {
      const ChainWord chain = front.take_free_list();
      return has_objects(chain) ? split_first(cache, front, chain) : nullptr;
    }
    object = front.pop(Front::kFreeWord, &stray);
  }
  if (has_objects(stray)) cache.depot.push(stray);
  return object;
}

ChainWord refill(Cache& cache) {
  ChainWord chain = cache.depot.pop();
  if (has_objects(chain)) return chain;
  poll_decay();
  chain = take_from_partial(cache);
  if (has_objects(chain)) return chain;
  return create_slab(cache);
}

void* allocate_from(Cache& cache) {
  const Front front(cache);
  if (void* object = pop_from_cpu(cache, front)) return object;
  const ChainWord chain = refill(cache);
  return has_objects(chain) ? split_first(cache, front, chain) : out_of_memory();
}

// The CPU's free list did not take the object: it is full, was never opened, or is being drained.
void free_into(Cache& cache, void* object) {
  const Front front(cache);
  for (;;) {
    if (front.push(object)) return;
    const ChainWord word = front.load(Front::kFreeWord);
    if (first_object(word) == object) report_misuse(Misuse::kDoubleFree, object);
    if (accepts_push(word)) continue;  // On another CPU meanwhile.
    const ChainWord alone = chain_push(object, empty_word(cache.limit));
    if (word == kStoppedWord) {
      cache.depot.push(alone);
      return;
    }
    if (!front.compare_exchange(Front::kFreeWord, word, alone)) continue;
    if (!has_objects(word)) return;  // Opened.
    cache.depot.push(word);
    poll_decay();
    return;
  }
}

uint64_t arena_offset(const void* object) {
  return reinterpret_cast<uint64_t>(object) - hot.arena_base;
}

// Hardened level: what leaves is marked; what comes back must be.
void* mark_allocated(void* object) {
  if (object && arena.hardened) arena.page_map.mark(arena_offset(object), true);
  return object;
}
void mark_free(void* object, const RunDescriptor& run) {
  if (!arena.page_map.mark(arena_offset(object), false)) report_misuse(Misuse::kDoubleFree, object);
  if (run.kind == RunKind::kSlab) __builtin_memset(object, 0, run.object_size);
}

void* allocate_beyond_slabs(size_t size, size_t alignment, Fill fill) {
  if (TENURE_UNLIKELY(!bootstrapped()) && !bootstrap()) return out_of_memory();
  return mark_allocated(allocate_large(size, alignment, fill));
}

// The descriptor's number of an object that free or realloc was given; reports what is no object.
uint32_t find_object(const void* object) {
  const uint32_t granule = granule_of(object);
  if (granule == kNoGranule) report_bad_pointer(object);
  const uint32_t number = arena.page_map.at(granule).descriptor.load(std::memory_order_relaxed);
  if (number == 0) report_bad_pointer(object);
  const RunDescriptor& run = arena.descriptors.at(number);
  if (run.kind == RunKind::kStashed) report_misuse(Misuse::kDoubleFree, object);
  const uint64_t offset = reinterpret_cast<uint64_t>(object) -
                          reinterpret_cast<uint64_t>(arena.page_heap.address(run.granule));
  const bool starts = run.kind == RunKind::kSlab ? object_index(run, offset).exact : offset == 0;
  if (!starts) report_bad_pointer(object);
  return number;
}

TENURE_SLOW void free_object(void* object, uint32_t number) {
  const int saved = errno;
  RunDescriptor& run = arena.descriptors.at(number);
  if (arena.hardened) mark_free(object, run);
  if (run.kind == RunKind::kSlab) {
    free_into(*run.cache, object);
  } else {
    free_large(number);
  }
  errno = saved;
}

}  // namespace

void* allocate_slow(size_t size) {
  if (size > kLargestSmall) return allocate_beyond_slabs(size, 1, Fill::kAny);
  if (TENURE_UNLIKELY(!bootstrapped()) && !bootstrap()) return out_of_memory();
  return mark_allocated(allocate_from(root_caches[index_of(class_of(size))]));
}

void deallocate_slow(void* object) {
  if (object == nullptr) return;
  const uint32_t number = find_object(object);
  if (arena.descriptors.at(number).kind == RunKind::kLarge && !arena.hardened)
    return free_large(number);
  free_object(object, number);
}

// Smaller than the object is possible: realloc shrinks in place.
void check_size(const void* object, size_t size) {
  if (object != nullptr && size > usable_size(object)) report_misuse(Misuse::kWrongClass, object);
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

void* reallocate(void* object, size_t size) {
  const uint32_t number = find_object(object);
  RunDescriptor& run = arena.descriptors.at(number);
  const bool slab = run.kind == RunKind::kSlab;
  const size_t usable = slab ? run.object_size : run.large_bytes;
  // Growth within the class or the granule, and shrinking by less than half, stay where they are.
  if (usable <= kLargestSmall && size <= usable && size >= usable / 2) return object;
  if (!slab && size > kLargestSmall) {
    if (arena.hardened) arena.page_map.mark(arena_offset(object), false);
    if (void* resized = resize_large(number, size)) return mark_allocated(resized);
    mark_allocated(object);
  }
  void* const moved = size > usable && size > kLongestCopied
                          ? allocate_beyond_slabs(size, 1, Fill::kAny)
                          : allocate(size);
  if (moved == nullptr) return nullptr;
  __builtin_memcpy(moved, object, size < usable ? size : usable);
  deallocate(object);
  return moved;
}

size_t usable_size(const void* object) {
  if (object == nullptr) return 0;
  const RunDescriptor& run = arena.descriptors.at(find_object(object));
  return run.kind == RunKind::kSlab ? run.object_size : run.large_bytes;
}

}  // namespace tenure
