#include "rules/tenants.h"

#include <errno.h>
#include <string.h>

#include "rules/descriptors.h"
#include "rules/libraries.h"
#include "rules/loaded.h"
#include "rules/matching/messages.h"
#include "rules/matching/path_template.h"
#include "rules/member_word.h"
#include "rules/places.h"

namespace tenure::rules {

constinit Mutex rules_mutex(LockRank::kSettings);

namespace {

// The number of online tenants of each rule. Protected by rules_mutex.
constinit uint32_t tenants_of_rule[kMostRules + 1] = {};
constexpr uint32_t kNamedByProgram = kMostRules;
constinit bool has_complained[kMostRules + 1] = {};  // Protected by rules_mutex.

void complain(uint32_t rule, const char* path, int error) {
  if (has_complained[rule]) return;
  has_complained[rule] = true;
  say("tenant ", path, ": ", strerrordesc_np(-error));
}

void set_limits(tenure_tenant* tenant, const Limits& limits) {
  for (unsigned i = 0; i < kLimitKinds; ++i) {
    if ((limits.given & 1u << i) != 0)
      tenure_tenant_set_limit(tenant, static_cast<tenure_limit>(i), limits.bytes[i]);
  }
  if (limits.policy != kNoPolicy)
    tenure_tenant_set_policy(tenant, static_cast<tenure_policy>(limits.policy));
}

const TenantRecord* table_for(const char* path) {
  const View& view = current_view();
  for (uint32_t i = 0; i < view.tenant_count; ++i) {
    if (strcmp(view.text(view.tenants[i].path), path) == 0) return &view.tenants[i];
  }
  return nullptr;
}

// A request for a tenant that may have to be made.
struct Request {
  const char* path;
  size_t fixed_length;   // Tenants with a path of at most this length stay.
  const Limits* limits;  // Of the rule; or nullptr.
  uint32_t rule;         // kNone for tables and levels above.
  uint32_t template_hash;
};

Place* join_or_make(const Request& request);

// Joins the level above, of which the new tenant is a member; nullptr: the root.
bool join_parent(const Request& request, size_t length, Place*& parent) {
  char above[kPathBytes];
  memcpy(above, request.path, length);
  above[length] = '\0';
  char* const slash = strrchr(above, '/');
  parent = nullptr;
  if (slash == above) return true;
  *slash = '\0';
  parent = join_or_make({above, request.fixed_length, nullptr, kNoRule, 0});
  return parent != nullptr;
}

Place* make(const Request& request, size_t length) {
  Place* parent = nullptr;
  if (!join_parent(request, length, parent)) return nullptr;
  const TenantRecord* const table = table_for(request.path);
  const bool is_isolated = (request.limits != nullptr && request.limits->isolated != 0) ||
                           (table != nullptr && table->limits.isolated != 0);
  Place* const place = take_place(request.path, length);
  int error = place != nullptr ? 0 : -ENOSPC;
  if (place != nullptr) {
    tenure_tenant* const above = parent ? parent->tenant : tenure_root();
    const char* const name = strrchr(request.path, '/') + 1;
    error = tenure_tenant_create(above, name, is_isolated ? TENURE_ISOLATED : 0, &place->tenant);
    // The program has made a tenant of that name itself, or the rules have lost the tenant in a fork.
    if (error == -EEXIST && (place->tenant = tenure_tenant_find(request.path)) != nullptr)
      error = 0;
  }
  if (error != 0) {
    complain(request.rule == kNoRule ? kNamedByProgram : request.rule, request.path, error);
    if (place != nullptr) give_place_back(*place);
    if (parent != nullptr) leave(reference_of(*parent));
    return nullptr;
  }
  place->parent = parent ? index_of(*parent) : 0;
  place->rule = request.rule;
  place->template_hash = request.template_hash;
  place->stays = length <= request.fixed_length || table != nullptr;
  if (request.rule != kNoRule) ++tenants_of_rule[request.rule];
  if (request.limits != nullptr) set_limits(place->tenant, *request.limits);
  if (table != nullptr) set_limits(place->tenant, table->limits);
  // A tenant that stays is a member of itself.
  publish_place(*place, place->stays ? 2 : 1);
  return place;
}

Place* join_or_make(const Request& request) {
  const size_t length = strlen(request.path);
  if (Place* const place = find_place(request.path, length)) {
    add_member(*place);
    return place;
  }
  return make(request, length);
}

bool is_full(uint32_t rule, uint32_t cap) { return tenants_of_rule[rule] >= cap; }

// The common tenant of a template that has reached its cap.
Membership join_other(const Request& request) {
  char path[kPathBytes];
  constexpr char kOther[] = "/other";
  if (request.fixed_length + sizeof kOther > sizeof path) return Membership::kNone;
  memcpy(path, request.path, request.fixed_length);
  memcpy(path + request.fixed_length, kOther, sizeof kOther);
  Place* const place = join_or_make({path, request.fixed_length, request.limits, kNoRule, 0});
  return place ? reference_of(*place) : Membership::kNone;
}

uint32_t hash_of(const char* text) { return hash_path(text, strlen(text)); }

// Ends a tenant without members. Its level above may be the next to end.
void end(Place& place) {
  if (place.rule != kNoRule) --tenants_of_rule[place.rule];
  const uint32_t parent = place.parent;
  // Fails if the program has made tenants below it. The tenant then stays online, as any tenant of the program.
  tenure_tenant_offline(place.tenant, 0);
  tenure_tenant_close(place.tenant);
  give_place_back(place);
  if (parent != 0) leave(reference_of(place_at(parent)));
}

}  // namespace

bool reserve_tenants() { return reserve_places(); }

Membership join_by_rule(const RuleRecord& rule, const Facts& facts) {
  end_departed();
  const View& view = current_view();
  const char* const path = view.text(rule.tenant);
  const auto index = static_cast<uint32_t>(&rule - view.rules);
  char expanded[kPathBytes];
  size_t fixed_length = 0;
  if (!expand(path, facts, expanded, fixed_length)) {
    complain(index, path, -ENAMETOOLONG);
    return Membership::kNone;
  }
  const Request request{expanded, fixed_length, &rule.limits, is_template(path) ? index : kNoRule,
                        hash_of(path)};
  if (request.rule != kNoRule && is_full(index, rule.cap) &&
      !find_place(expanded, strlen(expanded)))
    return join_other(request);
  Place* const place = join_or_make(request);
  return place ? reference_of(*place) : Membership::kNone;
}

Membership join_path(const char* path, bool is_fixed) {
  end_departed();
  const size_t length = strlen(path);
  const Request request{path, is_fixed ? length : 0, nullptr, is_fixed ? kNoRule : kNamedByProgram,
                        0};
  if (!is_fixed && is_full(kNamedByProgram, kDefaultCap) && !find_place(path, length))
    return join_other(request);
  Place* const place = join_or_make(request);
  return place ? reference_of(*place) : Membership::kNone;
}

void adopt_rules() {
  const View& view = current_view();
  memset(has_complained, 0, sizeof has_complained);
  memset(tenants_of_rule, 0, kMostRules * sizeof *tenants_of_rule);
  for_each_place([&](Place& place) {
    if (place.rule == kNamedByProgram || place.rule == kNoRule) return;
    place.rule = kNoRule;
    for (uint32_t i = 0; i < view.rule_count && place.rule == kNoRule; ++i) {
      if (hash_of(view.text(view.rules[i].tenant)) == place.template_hash) place.rule = i;
    }
    if (place.rule != kNoRule) ++tenants_of_rule[place.rule];
  });
  for (uint32_t i = 0; i < view.tenant_count; ++i) {
    const char* const path = view.text(view.tenants[i].path);
    const size_t length = strlen(path);
    Place* const place = join_or_make({path, length, nullptr, kNoRule, 0});
    if (place == nullptr) continue;
    // Also for a tenant that existed before with other limits.
    set_limits(place->tenant, view.tenants[i].limits);
    // The membership of join_or_make() turns a tenant of a template into one that stays.
    if (place->stays) leave(reference_of(*place));
    place->stays = true;
  }
}

void end_departed() {
  while (Place* const place = pop_departed()) {
    if (claim_departed(*place)) end(*place);
  }
}

bool has_departed() { return departed_waiting(); }

Membership join(Reference reference) {
  return join_place(reference) ? reference : Membership::kNone;
}

void leave(Membership membership) { leave_place(membership); }

tenure_tenant* tenant_of(Membership membership) {
  return membership == Membership::kNone ? nullptr : place_of(membership).tenant;
}

void recount_after_fork(const Membership* own, size_t count) {
  if (rules_mutex.is_held()) {
    // Another thread was in the middle of a change.
    rules_mutex.reset_after_fork();
    rebuild_places();
  }
  begin_recount();
  for_each_place([](Place& place) {
    if (place.stays) count_member(reference_of(place));
    if (place.parent != 0) count_member(reference_of(place_at(place.parent)));
  });
  for_each_descriptor([](Reference reference) { count_member(reference); });
  for (size_t i = 0; i < count; ++i) count_member(own[i]);
  Membership some[16];
  size_t libraries = 0;
  while (const size_t got = memberships_of_libraries(libraries, some, sizeof some / sizeof *some)) {
    for (size_t i = 0; i < got; ++i) count_member(some[i]);
    libraries += got;
  }
  finish_recount();
}

}  // namespace tenure::rules
