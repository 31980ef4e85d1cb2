#include "accounting/callbacks/user_call.h"

#include <errno.h>
#include <pthread.h>

#include "accounting/callbacks/catch_all.h"
#include "accounting/callbacks/root_scope.h"
#include "accounting/tenants/tenant.h"

namespace tenure {
namespace {

struct CallAsRoot {
  explicit CallAsRoot(Tenant& tenant) : lent(tenant) {}
  const CancellationPause pause;
  const RootScope root;
  const LentHandle lent;
};

}  // namespace

size_t call_count(CountCallback count, void* argument, Tenant& tenant) {
  const CallAsRoot call(tenant);
  size_t objects = 0;
  const bool returned = returns([&] { objects = count(&tenant, argument); });
  return returned ? objects : 0;
}

size_t call_scan(ScanCallback scan, void* argument, Tenant& tenant, size_t most) {
  const CallAsRoot call(tenant);
  size_t freed = 0;
  const bool returned = returns([&] { freed = scan(&tenant, most, argument); });
  if (!returned) return 0;
  return freed < most ? freed : most;  // Values above the requested number do not count.
}

void call_handler(EventHandler handler, Tenant& tenant, EventKind kind, void* argument) {
  const CallAsRoot call(tenant);
  returns([&] { handler(tenant, kind, argument); });
}

int call_visit(Visit visit, void* shown, void* argument) {
  const CancellationPause pause;
  int result = 0;
  const bool returned = returns([&] { result = visit(shown, argument); });
  return returned ? result : -ECANCELED;
}

bool call_constructor(void (*constructor)(void*), void* object) {
  return returns([&] { constructor(object); });
}

CancellationPause::CancellationPause() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
CancellationPause::~CancellationPause() { pthread_setcancelstate(before_, nullptr); }

LruVerdict call_verdict(LruCallback callback, LruItem* item, void* argument) {
  LruVerdict verdict = LruVerdict::kSkip;
  returns([&] { verdict = callback(item, argument); });
  return verdict;
}

}  // namespace tenure
