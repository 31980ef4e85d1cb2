// Scopes at the hardened level: each is left on the thread that entered it, and in reverse order, or the process ends with a line.
//
// The half of the scope word that names a front is not read there (rcu/rseq_ops.h), so it says who entered and how deep:
//
//   31      30 .. 11                       10 .. 0
//   1       which thread: of its address   how many scopes it is inside of
//
// A word without the highest bit is the library's own: a thread's first, or one that a callback runs in. It is depth 0.
// enter_checked() returns a marked scope in any case, so that leaving can tell.
#pragma once

#include "accounting/tenants/tenant.h"
#include "rcu/rseq_ops.h"

namespace tenure {

CurrentScope enter_checked(Tenant& tenant);
// Reports a scope that is not the last one that this thread entered.
void leave_checked(CurrentScope outer, const char* call);

// "tenure: <what>: tenant <path>, <call>()", then abort.
[[noreturn]] void report_misused_tenant(const char* what, const Tenant& tenant, const char* call);

}  // namespace tenure
