// The tenants that rules have made in this process, and their members.
//
// A tenant has members: threads that are inside or start inside, connections, the process itself, tenants below. When the last member has
// left, a tenant that a template made goes offline. The leaving thread may be in a signal handler, so the next call of join() or
// end_departed() takes the tenant offline. Tenants with fixed paths stay.
//
// Joining by a reference and leaving are lock-free and async-signal-safe. All other functions take the only lock of the library
// (rules_mutex), under which the library calls control functions of Tenure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/threads/lock.h"
#include "rules/library_api.h"
#include "rules/matching/facts.h"

namespace tenure::rules {

extern Mutex rules_mutex;

// A tenant in its place: generation and index, never 0. A reference is no membership.
enum class Reference : uint64_t { kNone = 0, kNobody = UINT64_MAX };

// The receiver of a Membership owns one member. kNone: the root.
using Membership = Reference;

// Reserves the table, once. False if the system refuses.
bool reserve_tenants();

// With rules_mutex held. The tenant of a rule, which is made if necessary; kNone if it cannot be made (with a line, once for each rule).
Membership join_by_rule(const RuleRecord& rule, const Facts& facts);
// The same for a path that the program itself names.
Membership join_path(const char* path, bool is_fixed);
// Makes the tenants of the file's tables, and sets their limits. Tenants of earlier rules count for the new rules with the same template.
void adopt_rules();
// Takes tenants offline that have no members.
void end_departed();

// Whether end_departed() has something to do. Relaxed: a hint.
bool has_departed();

// Adds a member, if the reference is still good. Lock-free.
Membership join(Reference reference);
// Gives a membership up. Lock-free, async-signal-safe.
void leave(Membership membership);
// The handle, good as long as the membership.
tenure_tenant* tenant_of(Membership membership);

// In a fork child: counts the members anew. `own` are the memberships of the remaining thread.
void recount_after_fork(const Membership* own, size_t count);

}  // namespace tenure::rules
