// Large objects: runs of granules of their own.
#pragma once

#include <cstddef>

#include "allocator/page_heap.h"
#include "allocator/slab.h"

namespace tenure {

// nullptr with errno ENOMEM where it cannot be had. `alignment` is a power of two.
void* allocate_large(size_t size, size_t alignment, Fill fill);
// The object of descriptor `number`. Leaves errno alone.
void free_large(uint32_t number);
// Gives the run back without looking at the decay.
void release_large(uint32_t number);
// Makes the object `size` bytes long where it lies, or else somewhere else by moving its pages, if that is cheaper than copying.
// nullptr: nothing has changed, and the caller copies.
void* resize_large(uint32_t number, size_t size);

}  // namespace tenure
