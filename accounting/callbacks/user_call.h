// Room accounting/callbacks: functions of the program. It calls tenants. It promises that whatever such a function does, the
// library goes on.
//
// Calls of functions that belong to the program. Exceptions of a callback end here. Cancellation of the thread is put off until it is back:
// it would unwind the library, which cannot be left from within (nor by longjmp or pthread_exit).
#pragma once

#include <cstddef>

#include "accounting/tenants/event_kind.h"

namespace tenure {

struct Tenant;
struct LruItem;

// Shrinkers. `tenant`: NULL is the root. Valid during the call.
// All objects it has of the tenant, whether they could go right now or not.
using CountCallback = size_t (*)(Tenant* tenant, void* argument);
// Lets go of up to `most`; returns how many went.
using ScanCallback = size_t (*)(Tenant* tenant, size_t most, void* argument);

enum class LruVerdict : int {
  kRemoved,  // The callback owns it; perhaps it is freed already.
  kRotate,   // Put back, as used last.
  kSkip,     // Put back where it was.
  kRetry,    // Put back where it was, and shown again next.
  kStop,     // Put back where it was; the walk ends.
};

using LruCallback = LruVerdict (*)(LruItem* item, void* argument);

// With the root as the current tenant: what a shrinker allocates is not charged to the tenant that is
// short of memory. A shrinker that throws has nothing and frees nothing. The tenant is pinned.
size_t call_count(CountCallback count, void* argument, Tenant& tenant);
size_t call_scan(ScanCallback scan, void* argument, Tenant& tenant, size_t most);

// With the root as the current tenant. Exceptions of a handler are lost. The tenant is pinned.
void call_handler(EventHandler handler, Tenant& tenant, EventKind kind, void* argument);

// The rest in the current tenant of the thread.

// A visit that throws says -ECANCELED.
using Visit = int (*)(void* shown, void* argument);
int call_visit(Visit visit, void* shown, void* argument);

// Puts cancellation off for all callbacks of a walk, or a batch of constructors: the functions below do not themselves.
class CancellationPause {
public:
  CancellationPause();
  ~CancellationPause();
  CancellationPause(const CancellationPause&) = delete;
  CancellationPause& operator=(const CancellationPause&) = delete;

private:
  int before_;
};

// False where it throws: then there is no object.
bool call_constructor(void (*constructor)(void* object), void* object);

// A callback that throws leaves the item where it was.
LruVerdict call_verdict(LruCallback callback, LruItem* item, void* argument);

}  // namespace tenure
