// Scopes at the hardened level. Each scope must be left on the thread that entered it, and in reverse order. Otherwise the process ends
// with a line.
//
// At that level no code reads the half of the scope word that names a front (rcu/rseq_ops.h). So that half holds the thread that entered,
// and the depth:
//
//   31      30 .. 11                       10 .. 0
//   1       which thread: of its address   how many scopes it is inside of
//
// A word without the highest bit is the library's own: a thread's first word, or the word in which a callback runs. Its depth is 0.
// enter_checked() always returns a marked scope, so that leave_checked() can check it.
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
