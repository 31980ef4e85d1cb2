#include "allocator/large.h"

#include <errno.h>

#include "allocator/arena.h"
#include "allocator/misuse.h"
#include "allocator/reclaim.h"
#include "allocator/run_stash.h"

namespace tenure {
namespace {

// Moving page tables costs less than copying from about here; below, a move is not worth the split mapping.
constexpr size_t kSmallestMove = 512 * kKiB;

void describe(RunDescriptor& run, uint32_t granule, uint32_t granules) {
  run.cache = nullptr;
  run.granule = granule;
  run.granules = granules;
  run.object_size = 0;
  run.capacity = 0;
  run.kind = RunKind::kLarge;
  run.fresh = false;
  run.resized = false;
  run.large_bytes = size_t{granules} * kGranuleSize;
}

void set_length(RunDescriptor& run, uint32_t granules) {
  run.granules = granules;
  run.large_bytes = size_t{granules} * kGranuleSize;
  run.resized = true;
}

// After a move the old run's pages are gone, so it goes back as purged; the new one is an island of its own mapping until
// it is freed.
void* move_large(RunDescriptor& run, uint32_t number, uint32_t granules) {
  const size_t old_bytes = run.large_bytes;
  const Run target = allocate_run(granules, 1, Fill::kAny);
  if (!target) return nullptr;
  void* const from = arena.page_heap.address(run.granule);
  void* const to = arena.page_heap.address(target.granule);
  const os::Move moved = os::move_pages(from, to, old_bytes);
  if (moved != os::Move::kDone) {
    // A target that is lost stays out of use: somebody else's mapping may be there.
    if (moved == os::Move::kRefused) release_run(target.granule, target.granules);
    return nullptr;
  }
  arena.page_map.set(run.granule, 1, 0, 0);
  arena.page_heap.release(run.granule, run.granules, true);
  describe(run, target.granule, granules);
  run.moved = true;
  arena.page_map.set(target.granule, 1, 0, number);
  return to;
}

// An object from the page heap.
TENURE_SLOW void* allocate_from_page_heap(uint32_t granules, uint32_t alignment, Fill fill) {
  const uint32_t number = arena.descriptors.allocate();
  const Run run = number ? allocate_run(granules, alignment, fill) : Run{};
  if (!run) {
    if (number) arena.descriptors.release(number);
    errno = ENOMEM;
    return nullptr;
  }
  RunDescriptor& descriptor = arena.descriptors.at(number);
  describe(descriptor, run.granule, granules);
  descriptor.moved = false;
  arena.page_map.set(run.granule, 1, 0, number);
  return arena.page_heap.address(run.granule);
}

}  // namespace

void* allocate_large(size_t size, size_t alignment, Fill fill) {
  if (size > arena.bytes ||
      alignment > arena.bytes) {  // Neither fits, and both fit the types below otherwise.
    errno = ENOMEM;
    return nullptr;
  }
  const uint32_t granules = granules_for(size == 0 ? 1 : size);
  const uint32_t aligned =
      alignment <= kGranuleSize ? 1 : static_cast<uint32_t>(alignment / kGranuleSize);
  if (const uint32_t stashed = take_stashed(granules, alignment)) {
    void* const object = arena.page_heap.address(arena.descriptors.at(stashed).granule);
    if (fill == Fill::kZero) __builtin_memset(object, 0, size);
    return object;
  }
  return allocate_from_page_heap(granules, aligned, fill);
}

void free_large(uint32_t number) {
  if (stash_run(number)) return;
  const int saved = errno;
  release_large(number);
  poll_decay();
  errno = saved;
}

void release_large(uint32_t number) {
  RunDescriptor& run = arena.descriptors.at(number);
  const uint32_t granule = run.granule;
  const uint32_t granules = run.granules;
  const bool moved = run.moved;
  arena.page_map.set(granule, 1, 0, 0);
  arena.descriptors.release(number);
  // A moved run's mapping is made anew, so that it can merge with its neighbours: mappings are limited in number.
  if (moved && os::remap_fresh(arena.page_heap.address(granule), size_t{granules} * kGranuleSize)) {
    arena.page_heap.release(granule, granules, true);
  } else {
    release_run(granule, granules);
  }
}

void* resize_large(uint32_t number, size_t size) {
  if (size > arena.bytes) return nullptr;
  RunDescriptor& run = arena.descriptors.at(number);
  void* const object = arena.page_heap.address(run.granule);
  const uint32_t granules = granules_for(size);
  if (granules == run.granules) return object;
  if (granules < run.granules) {
    const uint32_t surplus = run.granules - granules;
    set_length(run, granules);
    release_run(run.granule + granules, surplus);
    return object;
  }
  if (arena.page_heap.extend(run.granule, run.granules, granules)) {
    set_length(run, granules);
    return object;
  }
  return run.large_bytes >= kSmallestMove ? move_large(run, number, granules) : nullptr;
}

}  // namespace tenure
