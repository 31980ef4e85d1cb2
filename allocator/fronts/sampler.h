// Sampling of allocations: a Poisson process over the bytes that the program allocates. docs/profiling.md has the arithmetic.
//
// The fast path of malloc counts nothing. While sampling is on, the lists that malloc pops from are no longer than the next point of the
// process is away, and end in the sentinel (base/words/chain_word.h), so that malloc comes by the slow path at the end of each list:
//
//   - Each pair of CPU and class has a point of its own: how many bytes are left to it. Independent processes make one process together.
//   - When a slow path installs a list, the bytes of the list are passed. Where the point lies within them, the list is cut
//     before the object that holds the point.
//   - When a slow path hands out a single object, the bytes of that object are passed. Where the point lies within them, the object is the
//     sample: sampled_objects.h.
//   - When a drain takes a list back, the point is drawn anew. An exponential distance has no memory, so objects that were passed and come back
//     count as never passed.
//
// So each object that malloc returns is passed once: alone, or with its list.
#pragma once

#include <atomic>
#include <cstdint>

#include "allocator/fronts/front.h"
#include "allocator/slabs/sampling.h"
#include "base/words/attributes.h"

namespace tenure {

// Begins, or goes on with another mean. False: there is no memory.
bool start_sampling(uint64_t mean);
void stop_sampling();
// For tests: what follows is the same for the same seed, where one thread allocates.
void seed_sampling(uint64_t seed);
// Memory of the points.
size_t sampling_bytes();

// The point of a class on the CPU that this thread runs on.
class SamplingPoint {
public:
  // `slot`: of the class in the fronts; 0, which all share, for what has none.
  explicit SamplingPoint(uint32_t slot);

  // Passes one object. Whether the point lies in it.
  bool pass(uint64_t bytes);
  // How many of `count` objects lie before the point.
  uint32_t objects_before(uint64_t bytes, uint32_t count);
  // Passes bytes that lie before the point.
  void pass_before(uint64_t bytes);
  // Passes all of the bytes or none. False: the point lies within them, or is not this CPU's alone.
  bool pass_if_before(uint64_t bytes);
  // Takes such a step back.
  void unpass(uint64_t bytes);

private:
  int64_t left();
  std::atomic<int64_t>* const point_;
  const bool own_cpu_;  // No other CPU's threads use the point.
};

// The lists of this slot and area have been taken back.
void forget_point(uint32_t area, uint32_t slot);

}  // namespace tenure
