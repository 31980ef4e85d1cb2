// Room allocator/control: everything that is neither malloc nor free. It calls all rooms. It promises that no function here is
// needed for malloc to make progress.
//
// The work of control operations beside their own: reaping, handlers, waiting.
#pragma once

#include <cstddef>

#include "accounting/pressure/reclaim.h"
#include "accounting/tenants/tenant.h"

namespace tenure {

// At the end of each control operation: a few dead heaps are looked at, handlers of events run. No lock held.
void after_control_operation();

// Destroys what departed tenants left and nobody uses. Waits for grace periods. Returns how many still have live
// objects.
size_t reap_all();

// Gives back up to `bytes` of what the subtree caches or can drop; returns what was uncharged.
size_t reclaim_bytes(Tenant& top, size_t bytes);

// tenure_checkpoint().
int checkpoint();

}  // namespace tenure
