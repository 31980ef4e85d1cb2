// Who was charged last for memory that is free now, so that a message about a pointer there names the tenant. Only of what was given
// back lately: there is a place for each of some granules, which others take over.
#pragma once

#include <cstdint>

#include "accounting/tenant.h"

namespace tenure {

// The run, a slab or a large object, is about to be given back. `context` nullptr: the root's own. The run's charge, or a read
// section, keeps the context. Lock-free.
void note_last_payer(uint32_t granule, uint32_t granules, const AccountingContext* context);
// nullptr: the root, or not known any more. Where it has gone since, an ancestor.
const Tenant* last_payer(uint32_t granule);

}  // namespace tenure
