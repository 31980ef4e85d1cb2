// Large objects: runs of granules of their own.
#pragma once

#include <atomic>
#include <cstddef>

#include "accounting/tenants/tenant.h"
#include "allocator/hooks.h"
#include "allocator/pages/page_heap.h"
#include "allocator/slabs/slab.h"

namespace tenure {

// Objects whose pages were moved lie in mappings of their own, and the kernel allows a process only so many: when they are used up
// it can load no library and start no thread. So a share of them is the most there may be; beyond it objects are copied.
struct MovedRuns {
  // Mappings of that kind: counted before the move, and until the run's mapping is an ordinary one again. Relaxed: a bound, nothing
  // hangs on it. The child of a fork has the same mappings and the same count.
  std::atomic<uint32_t> live{0};
  // An eighth of the mappings a process may have by default (vm.max_map_count; a realloc opens no file to ask): each takes one, splits
  // another, and leaves pieces around it that were written to before they could merge. Five for each were seen, where objects grow
  // again and again among others. Constant but in tests.
  uint32_t most = 65530 / 8;
};
extern constinit MovedRuns moved_runs;

// Charged to the tenant, which is pinned. nullptr with errno ENOMEM where it cannot be had. `alignment` is a power of two.
void* allocate_large(Tenant& tenant, size_t size, size_t alignment, Fill fill);
// The object of descriptor `number`. Leaves errno alone.
void free_large(uint32_t number);
// Makes the object `size` bytes long where it lies, or else somewhere else by moving its pages, if that is cheaper than copying.
// nullptr: nothing has changed, and the caller copies.
void* resize_large(uint32_t number, size_t size);
// Has the tenant, which is pinned, pay for the object. False: refused, nothing has changed.
bool transfer_large(uint32_t number, Tenant& tenant);

}  // namespace tenure
