// A tenant's part of the heap as JSON, for the request kDump (docs/live.md has the format).
#pragma once

#include <cstdint>

#include "accounting/tenants/tenant.h"

namespace tenure {

// Writes at most `most` bytes to `fd`. `may_wait`: for tenants_mutex. The tenant is pinned. 0, or a negative errno; -EAGAIN: another
// thread holds tenants_mutex. Allocates nothing but metadata.
int dump_tenant(Tenant& tenant, bool may_wait, int fd, uint64_t most);

}  // namespace tenure
