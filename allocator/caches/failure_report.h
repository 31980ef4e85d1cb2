// The report on a refused request of a tenant: the tree around the tenant, its largest classes, and what was tried.
#pragma once

#include "accounting/pressure/reclaim.h"

namespace tenure {

struct Tenant;

// To the live region, where there is one, and to standard error with TENURE_REPORTS=on. Once a minute for each tenant. The tenant is pinned.
// Runs in malloc: lock-free, no allocation, async-signal-safe, keeps errno.
void report_failure(Tenant& tenant, const Refusal& refusal);

}  // namespace tenure
