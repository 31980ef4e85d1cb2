// Room accounting/charge: one charge from request to verdict. It calls all rooms below. It promises that a refused charge leaves
// no trace but its event, and that the limits hold at every level.
//
// The only functions that charge memory. The allocator calls them when it acquires and releases slabs and large runs, and for pooled
// objects with the object's class size.
#pragma once

#include <cstdint>

#include "accounting/counters/policy.h"
#include "accounting/tenants/accounting_context.h"
#include "accounting/tenants/tenant.h"

namespace tenure {

// Charges `bytes` (> 0) to the tenant, or, if it is offline, to its nearest online ancestor. At the limit: purge, shrink, then the policy
// of the tenant that refused. Returns the context that holds the charge (store it beside the memory), or nullptr: refused. Exactly one
// uncharge() on that context gives back each byte later, in any portions. The tenant is pinned (or the root). Not in a read section, and
// with no lock held, because hooks run here. Lock-free and async-signal-safe as far as the hooks are. Keeps errno.
//
// `from` is a context through which the caller's memory is charged with as many bytes. With `from` the charge moves: the old charge ends
// when the new one holds, and the common ancestors, which pay before and after, are not changed. If the new charge is refused, the old one
// stays.
AccountingContext* charge(Tenant& tenant, uint64_t bytes, RequestKind kind,
                          AccountingContext* from = nullptr);

// The same for a caller that can do without the memory. A charge that does not fit is refused at once, and is not counted as a failure.
AccountingContext* charge_if_it_fits(Tenant& tenant, uint64_t bytes,
                                     AccountingContext* from = nullptr);

// Charges more to the tenant that pays through this context now, for growth in place. The caller's memory is charged to the context, which
// keeps it alive. False: refused, nothing changed.
bool charge_more(AccountingContext& context, uint64_t bytes, RequestKind kind);
bool charge_more_if_it_fits(AccountingContext& context, uint64_t bytes);

// Gives back `bytes` charged through the context to the tenant that pays now. Lock-free, async-signal-safe. After the last byte the context
// may vanish.
void uncharge(AccountingContext& context, uint64_t bytes);

}  // namespace tenure
