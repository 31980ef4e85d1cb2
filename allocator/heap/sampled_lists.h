// Lists for malloc while objects are sampled: they end in the sentinel, and before the next point of the sampler.
#pragma once

#include "allocator/fronts/front.h"
#include "allocator/hooks.h"
#include "allocator/slabs/cache.h"

namespace tenure {

// Makes the chain, as far as it lies before the point, the CPU's list for malloc; the rest goes to a depot. False: there is a list, and the
// chain is still the caller's. The CPU's words are changed by sequences.
TENURE_NOINLINE bool install_before_point(Cache& cache, const Front& front, ChainWord chain);

// malloc's list has come to its end, and the free list, at least half a list, lies before the point: the first object of the free list,
// whose others are malloc's from now on. Else nullptr: nothing has changed. For the caches of the root and of the pool.
TENURE_NOINLINE void* swap_before_point(Cache& cache);

// The first `most` objects of the chain, which the caller holds, as a list that ends in the sentinel; the others are `*rest`.
constexpr uint32_t kLongestCut = 128;
ChainWord cut_chain(ChainWord chain, uint32_t most, uint16_t limit, ChainWord* rest);

}  // namespace tenure
