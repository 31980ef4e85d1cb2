// The tenants that rules have made in this process, and who is in them.
//
// A tenant has members: threads that are inside or start inside, connections, the process itself, tenants below. When the last member of
// a tenant that a template made has left, the tenant goes offline: not on the thread that leaves, which may be in a signal handler, but at
// the next call of join() or end_departed(). Tenants with fixed paths stay.
//
// Joining by a reference and leaving are lock-free and async-signal-safe. All else takes the one lock of the library (rules_mutex), under
// which the library calls control functions of Tenure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/system/lock.h"
#include "rules/facts.h"
#include "rules/library_api.h"

namespace tenure::rules {

extern Mutex rules_mutex;

// A tenant in its place: generation and index, never 0. Kept without being a member.
enum class Reference : uint64_t { kNone = 0, kNobody = UINT64_MAX };

// Whoever gets a Membership owns one member. kNone: the root.
using Membership = Reference;

// Reserves the table. False where the system refuses. Once.
bool reserve_tenants();

// With rules_mutex held. The tenant of a rule, made if need be; kNone where it cannot be made (with a line, once for each rule).
Membership join_by_rule(const RuleRecord& rule, const Facts& facts);
// The same for a path that the program itself names.
Membership join_path(const char* path, bool is_fixed);
// Makes the tenants of the file's tables, and sets their limits. Tenants of the rules before count for the rules with the same
// template.
void adopt_rules();
// Takes tenants offline that have no members.
void end_departed();

// Whether end_departed() has something to do. Relaxed: a hint.
bool has_departed();

// One more member, where the reference is still good. Lock-free.
Membership join(Reference reference);
// Gives a membership up. Lock-free, async-signal-safe.
void leave(Membership membership);
// The handle, good as long as the membership.
tenure_tenant* tenant_of(Membership membership);

// In a fork child: counts the members anew. `own` are the memberships of the thread that is left.
void recount_after_fork(const Membership* own, size_t count);

}  // namespace tenure::rules
