// Slabs that live return pages without a live object to the system (allocator/slabs/holes.h).
//
// A hand goes round the granules of the heap, as the decay's goes round its stretches. A slab from which nobody has taken an object since
// the hand's last visit is collected, if enough of it is free. So memory goes between one and two rounds after it was freed into the
// slab. The hand leaves slabs alone whose objects are freed and allocated again all the time.
//
// A huge page is split by that, so it pays only where a good part of the huge page is free objects of such slabs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

struct SlabWork {
  size_t collected = 0;  // Slabs
  bool behind = false;   // The hand has not got as far as it should have.
};

// Collects what the hand finds of what is due at `now` (coarse_ms()), at most `most` slabs. Lock-free: a thread stopped in it keeps the
// slab's free objects that it has in hand.
SlabWork collect_some_slabs(uint32_t now, size_t most, uint32_t round_ms);
// Collects slabs whether they are idle or not, until about `bytes` have gone or `most` slabs were collected. Returns the bytes.
size_t collect_slabs(size_t bytes, size_t most);

}  // namespace tenure
