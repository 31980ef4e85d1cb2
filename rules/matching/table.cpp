#include "rules/matching/table.h"

#include <string.h>

namespace tenure::rules {
namespace {

bool are_good(const Limits& limits) {
  return limits.given < 1u << kLimitKinds && (limits.policy <= 4 || limits.policy == kNoPolicy);
}

bool is_good(const Prefix& prefix) { return prefix.bits <= 128 && prefix.family <= Family::kUnix; }

bool is_good(const RuleRecord& rule, uint32_t strings) {
  const uint32_t offsets[] = {rule.thread,  rule.library,      rule.symbol,      rule.process,
                              rule.command, rule.peer_process, rule.listen_path, rule.tenant};
  for (const uint32_t offset : offsets) {
    if (offset >= strings) return false;
  }
  const bool one_kind =
      rule.kind == kThreadRule || rule.kind == kProcessRule || rule.kind == kConnectionRule;
  return one_kind && rule.tenant != 0 && is_good(rule.listen) && is_good(rule.peer) &&
         rule.listen_port <= UINT16_MAX && rule.cap != 0 && rule.cap <= kMostCap &&
         are_good(rule.limits);
}

}  // namespace

bool view_of(const void* image, size_t bytes, View& view) {
  Header header;
  if (bytes < sizeof header || reinterpret_cast<uintptr_t>(image) % alignof(RuleRecord) != 0)
    return false;
  memcpy(&header, image, sizeof header);
  if (memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.bytes > bytes ||
      header.tenants > kMostTenants || header.rules > kMostRules || header.strings == 0 ||
      header.strings > kImageBytes)
    return false;
  const size_t tenants_end = sizeof header + header.tenants * sizeof(TenantRecord);
  const size_t rules_end = tenants_end + header.rules * sizeof(RuleRecord);
  if (rules_end + header.strings != header.bytes) return false;

  const char* const start = static_cast<const char*>(image);
  View found;
  found.tenants = reinterpret_cast<const TenantRecord*>(start + sizeof header);
  found.rules = reinterpret_cast<const RuleRecord*>(start + tenants_end);
  found.strings = start + rules_end;
  found.tenant_count = header.tenants;
  found.rule_count = header.rules;
  // With the first and the last byte 0, every offset below is that of a string.
  if (found.strings[0] != 0 || found.strings[header.strings - 1] != 0) return false;
  for (uint32_t i = 0; i < found.tenant_count; ++i) {
    const TenantRecord& tenant = found.tenants[i];
    if (tenant.path >= header.strings || !are_good(tenant.limits)) return false;
  }
  for (uint32_t i = 0; i < found.rule_count; ++i) {
    if (!is_good(found.rules[i], header.strings)) return false;
    found.kinds |= found.rules[i].kind;
  }
  view = found;
  return true;
}

}  // namespace tenure::rules
