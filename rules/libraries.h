// Libraries whose constructors have a tenant.
#pragma once

#include <cstddef>

#include "rules/tenants.h"

namespace tenure::rules {

// With rules_mutex held, or in a fork child: the memberships of open libraries, from the one with this number on. Returns their number; 0
// at the end.
size_t memberships_of_libraries(size_t first, Membership* some, size_t most);

}  // namespace tenure::rules
