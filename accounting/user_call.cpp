#include "accounting/user_call.h"

#include "accounting/catch_all.h"
#include "accounting/root_scope.h"
#include "accounting/tenant.h"

namespace tenure {
namespace {

// The root has no handle.
Tenant* handle_of(Tenant& tenant) { return &tenant == &root_tenant ? nullptr : &tenant; }

}  // namespace

size_t call_count(const Shrinker& shrinker, Tenant& tenant) {
  const RootScope as_root;
  size_t count = 0;
  const bool returned =
      returns([&] { count = shrinker.count(handle_of(tenant), shrinker.argument); });
  return returned ? count : 0;
}

size_t call_scan(const Shrinker& shrinker, Tenant& tenant, size_t most) {
  const RootScope as_root;
  size_t freed = 0;
  const bool returned =
      returns([&] { freed = shrinker.scan(handle_of(tenant), most, shrinker.argument); });
  if (!returned) return 0;
  return freed < most ? freed : most;  // Not believed beyond what was asked for.
}

LruVerdict call_verdict(LruCallback callback, LruItem* item, void* argument) {
  LruVerdict verdict = LruVerdict::kSkip;
  returns([&] { verdict = callback(item, argument); });
  return verdict;
}

}  // namespace tenure
