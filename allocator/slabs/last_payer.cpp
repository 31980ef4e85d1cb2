#include "allocator/slabs/last_payer.h"

#include "allocator/slabs/current.h"

namespace tenure {

constinit std::atomic<uint64_t> last_payers[kLastPayers]{};

namespace {

// Of longer runs the first ones. No slab has more.
constexpr uint32_t kMostGranules = 16;

}  // namespace

void note_last_payer(uint32_t granule, uint32_t granules, const AccountingContext* context) {
  const uint32_t number = context ? context->tenant()->number : 0;
  const uint32_t noted = granules < kMostGranules ? granules : kMostGranules;
  for (uint32_t g = granule; g < granule + noted; ++g) {
    const uint64_t word = uint64_t{g} << 32 | number;
    if (number == 0 && !has_last_payer(g)) continue;
    last_payers[g % kLastPayers].store(word, std::memory_order_relaxed);
  }
}

const Tenant* last_payer(uint32_t granule) {
  const uint64_t word = last_payers[granule % kLastPayers].load(std::memory_order_relaxed);
  // A place that was never written looks like granule 0 of the root.
  if (word >> 32 != granule || word == 0) return nullptr;
  return &tenant_of(CurrentScope{0, static_cast<uint32_t>(word)});
}

}  // namespace tenure
