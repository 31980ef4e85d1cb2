// The tenant charged last for memory that is free now, so that a message about a pointer there names the tenant. Only of what was given
// back lately: there is a place for each of some granules, which others take over.
#pragma once

#include <atomic>
#include <cstdint>

#include "accounting/tenants/tenant.h"

namespace tenure {

// Granule and tenant's number, in one word so that they belong together. The root's memory is noted only where a tenant's is to be
// forgotten. Relaxed: a hint, read in messages only.
constexpr uint32_t kLastPayers = 1024;
extern constinit std::atomic<uint64_t> last_payers[kLastPayers];

inline bool has_last_payer(uint32_t granule) {
  return last_payers[granule % kLastPayers].load(std::memory_order_relaxed) >> 32 == granule;
}
// The run, a slab or a large object, is about to be given back. `context` nullptr: the root's own. The run's charge, or a read
// section, keeps the context. Lock-free.
void note_last_payer(uint32_t granule, uint32_t granules, const AccountingContext* context);
// nullptr: the root, or not known any more. Where it has gone since, an ancestor.
const Tenant* last_payer(uint32_t granule);

}  // namespace tenure
