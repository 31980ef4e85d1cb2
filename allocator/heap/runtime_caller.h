// Allocations of the C and C++ runtimes for themselves that must not fail. A tenant at its limit refuses it as it refuses
// anything; then it is the root's, for else the runtime would end the process. Decision 013 has the list, and why by the
// caller's address.
#pragma once

#include <errno.h>

#include "accounting/callbacks/root_scope.h"
#include "base/words/attributes.h"

namespace tenure {

// Whether the code that an allocation function returns to is part of a runtime that ends the process where it gets no memory.
// Lock-free, async-signal-safe.
bool is_runtime_caller(const void* code);

// For a request that was refused. nullptr: it stays refused.
template <typename Allocate>
TENURE_SLOW void* allocate_for_runtime(const void* caller, Allocate allocate) {
  if (caller == nullptr || load_scope().tenant == 0 || !is_runtime_caller(caller)) return nullptr;
  const RootScope as_root;
  return allocate();
}

}  // namespace tenure
