// Room accounting/callbacks: functions of the program. It calls tenants. It promises that the library goes on after every such call, also
// if the function throws.
//
// Calls of functions that belong to the program. Exceptions of a callback end here. Cancellation of the thread is deferred until the
// callback returns, because it would unwind the library. longjmp and pthread_exit must not leave a callback either.
#pragma once

#include <cstddef>

#include "accounting/tenants/event_kind.h"

namespace tenure {

struct Tenant;
struct LruItem;

// Shrinkers. `tenant`: NULL is the root. Valid during the call. Returns the number of all its objects of the tenant, whether it could drop
// them right now or not.
using CountCallback = size_t (*)(Tenant* tenant, void* argument);
// Drops up to `most` objects. Returns the number dropped.
using ScanCallback = size_t (*)(Tenant* tenant, size_t most, void* argument);

enum class LruVerdict : int {
  kRemoved,  // The callback owns it; perhaps it is freed already.
  kRotate,   // Put back, as used last.
  kSkip,     // Put back at its place.
  kRetry,    // Put back at its place, and shown again next.
  kStop,     // Put back at its place; the walk ends.
};

using LruCallback = LruVerdict (*)(LruItem* item, void* argument);

// Runs with the root as the current tenant, so that allocations of a shrinker are not charged to the tenant that is short of memory. A
// shrinker that throws counts as one that has no objects and frees none. The tenant is pinned.
size_t call_count(CountCallback count, void* argument, Tenant& tenant);
size_t call_scan(ScanCallback scan, void* argument, Tenant& tenant, size_t most);

// Runs with the root as the current tenant. Exceptions of a handler are lost. The tenant is pinned.
void call_handler(EventHandler handler, Tenant& tenant, EventKind kind, void* argument);

// The following functions run in the current tenant of the thread.

// A visit that throws counts as -ECANCELED.
using Visit = int (*)(void* shown, void* argument);
int call_visit(Visit visit, void* shown, void* argument);

// Defers cancellation for all callbacks of a walk, or a batch of constructors, because the functions below do not defer it.
class CancellationPause {
public:
  CancellationPause();
  ~CancellationPause();
  CancellationPause(const CancellationPause&) = delete;
  CancellationPause& operator=(const CancellationPause&) = delete;

private:
  int before_;
};

// False if the constructor throws: there is no object then.
bool call_constructor(void (*constructor)(void* object), void* object);

// A callback that throws leaves the item at its place.
LruVerdict call_verdict(LruCallback callback, LruItem* item, void* argument);

}  // namespace tenure
