// Calls of functions that belong to the program. What a callback throws ends here. Cancellation of the thread is put off until it is back:
// it would unwind the library, which cannot be left from within (nor by longjmp or pthread_exit).
#pragma once

#include "accounting/events.h"
#include "accounting/lru.h"
#include "accounting/shrinker.h"

namespace tenure {

// With the root as the current tenant: what a shrinker allocates is not charged to the tenant that is
// short of memory. A shrinker that throws has nothing and frees nothing. The tenant is pinned.
size_t call_count(const Shrinker& shrinker, Tenant& tenant);
size_t call_scan(const Shrinker& shrinker, Tenant& tenant, size_t most);

// With the root as the current tenant. What a handler throws is lost. The tenant is pinned.
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
