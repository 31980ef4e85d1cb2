// Chains that have been freed by the thousand are in no processor's caches when they are allocated again, and in them each object's
// address is known only when the one before has come from memory. So a chain that goes below the common depot's others gets an index
// while it is still warm: where its parts begin, written into its first object. The taker follows all parts at once
// (docs/decisions/012-cold-chains.md).
#pragma once

#include "allocator/slabs/cache.h"
#include "base/words/chain_word.h"

namespace tenure {

// Whether the cache's free objects have room for an index, and nobody relies on what is in them.
bool may_index(const Cache& cache);

// Bytes of the objects in all cold chains. Relaxed: what hangs on it is where a chain goes. A fork may come between a change and
// its count; the child's stays a little off.
extern constinit std::atomic<int64_t> cold_bytes_held;
inline size_t cold_bytes() {
  const int64_t bytes = cold_bytes_held.load(std::memory_order_relaxed);
  return bytes > 0 ? static_cast<size_t>(bytes) : 0;
}

// The chain is the caller's.
void push_cold(Cache& cache, ChainWord chain);
// Warmed; a word without objects if there is none.
ChainWord pop_cold(Cache& cache);
// The same as it is.
ChainWord pop_cold_unwarmed(Cache& cache);

}  // namespace tenure
