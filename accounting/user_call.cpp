#include "accounting/user_call.h"

#include <errno.h>
#include <pthread.h>

#include "accounting/tenant.h"
#include "rcu/rseq_ops.h"

// What the compiler refers to for the catches below; absent in programs without C++, where nothing
// is thrown.
asm(".weak __gxx_personality_v0\n.weak __cxa_begin_catch\n.weak __cxa_end_catch\n.weak "
    "_ZSt9terminatev\n");

namespace tenure {
namespace {

class RootScope {
public:
  RootScope() : outer_(load_scope()) { store_scope({kRootFrontOffset, 0}); }
  ~RootScope() { store_scope(outer_); }
  RootScope(const RootScope&) = delete;
  RootScope& operator=(const RootScope&) = delete;

private:
  const CancellationPause pause_;
  const CurrentScope outer_;
};

// The root has no handle.
Tenant* handle_of(Tenant& tenant) { return &tenant == &root_tenant ? nullptr : &tenant; }

}  // namespace

size_t call_count(const Shrinker& shrinker, Tenant& tenant) {
  const RootScope as_root;
  try {
    return shrinker.count(handle_of(tenant), shrinker.argument);
  } catch (...) {
    return 0;
  }
}

size_t call_scan(const Shrinker& shrinker, Tenant& tenant, size_t most) {
  const RootScope as_root;
  try {
    const size_t freed = shrinker.scan(handle_of(tenant), most, shrinker.argument);
    return freed < most ? freed : most;  // Not believed beyond what was asked for.
  } catch (...) {
    return 0;
  }
}

void call_handler(EventHandler handler, Tenant& tenant, EventKind kind, void* argument) {
  const RootScope as_root;
  try {
    handler(tenant, kind, argument);
  } catch (...) {
  }
}

int call_visit(Visit visit, void* shown, void* argument) {
  const CancellationPause pause;
  try {
    return visit(shown, argument);
  } catch (...) {
    return -ECANCELED;
  }
}

bool call_constructor(void (*constructor)(void*), void* object) {
  try {
    constructor(object);
    return true;
  } catch (...) {
    return false;
  }
}

CancellationPause::CancellationPause() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
CancellationPause::~CancellationPause() { pthread_setcancelstate(before_, nullptr); }

LruVerdict call_verdict(LruCallback callback, LruItem* item, void* argument) {
  try {
    return callback(item, argument);
  } catch (...) {
    return LruVerdict::kSkip;
  }
}

}  // namespace tenure
