#include "allocator/last_payer.h"

#include "allocator/current.h"

namespace tenure {
namespace {

constexpr uint32_t kPlaces = 1024;
// Of longer runs the first ones. No slab has more.
constexpr uint32_t kMostGranules = 16;

// Granule and tenant's number, in one word so that they belong together. What is the root's is noted only where a tenant's is to be
// forgotten. Relaxed: a hint, read in messages only.
constinit std::atomic<uint64_t> places[kPlaces]{};

}  // namespace

void note_last_payer(uint32_t granule, uint32_t granules, const AccountingContext* context) {
  const uint32_t number = context ? context->tenant()->number : 0;
  const uint32_t noted = granules < kMostGranules ? granules : kMostGranules;
  for (uint32_t g = granule; g < granule + noted; ++g) {
    const uint64_t word = uint64_t{g} << 32 | number;
    std::atomic<uint64_t>& place = places[g % kPlaces];
    const uint64_t before = place.load(std::memory_order_relaxed);
    if (before == word || (number == 0 && before >> 32 != g)) continue;
    place.store(word, std::memory_order_relaxed);
  }
}

const Tenant* last_payer(uint32_t granule) {
  const uint64_t word = places[granule % kPlaces].load(std::memory_order_relaxed);
  // A place that was never written looks like granule 0 of the root.
  if (word >> 32 != granule || word == 0) return nullptr;
  return &tenant_of(CurrentScope{0, static_cast<uint32_t>(word)});
}

}  // namespace tenure
