// Room accounting/charge: one charge from request to verdict. It calls all rooms below. It promises that a refused charge leaves
// no trace but its event, and that the limits hold at every level.
//
// The one way by which memory is charged: the allocator calls these when it acquires and releases
// slabs and large runs (and, for pooled objects, an object's class size).
#pragma once

#include <cstdint>

#include "accounting/counters/policy.h"
#include "accounting/tenants/accounting_context.h"
#include "accounting/tenants/tenant.h"

namespace tenure {

// Charges `bytes` (> 0) to the tenant, or, if it is no longer online, to its nearest ancestor that
// is. At the limit: purge, shrink, then the failing tenant's policy. Returns the context that holds
// the charge (store it beside the memory), or nullptr: refused. Each byte is later given back by
// exactly one uncharge() on that context, in any portions. The tenant is pinned (or the root). Not
// in a read section, holding no lock: hooks run here. Lock-free as far as the hooks are;
// async-signal-safe likewise; keeps errno.
//
// With `from`, a context through which the caller's memory is charged with as many bytes, its charge
// moves: it ends when the new one holds, and the levels above both, which pay before and after, are
// left alone. Refused, it stays as it was.
AccountingContext* charge(Tenant& tenant, uint64_t bytes, RequestKind kind,
                          AccountingContext* from = nullptr);

// The same, where the caller can do with less: what does not fit is refused at once, and not counted as a failure.
AccountingContext* charge_if_it_fits(Tenant& tenant, uint64_t bytes,
                                     AccountingContext* from = nullptr);

// Charges more to whoever pays through this context now, for growth in place. The caller's memory
// is charged to the context, which keeps it alive. False: refused, nothing changed.
bool charge_more(AccountingContext& context, uint64_t bytes, RequestKind kind);
bool charge_more_if_it_fits(AccountingContext& context, uint64_t bytes);

// Gives back `bytes` charged through the context to whoever pays now. Lock-free, async-signal-safe.
// After the last byte the context may vanish.
void uncharge(AccountingContext& context, uint64_t bytes);

}  // namespace tenure
