#include "api/process/ownership.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <dlfcn.h>

#include "accounting/callbacks/root_scope.h"
#include "allocator/heap/bootstrap.h"
#include "allocator/slabs/arena.h"
#include "base/words/attributes.h"

namespace tenure {
namespace {

enum class Ownership : uint8_t { kUnknown, kOurs, kAnothers };

// Relaxed: a plain value, and all threads that decide get the same result.
constinit std::atomic<Ownership> ownership{Ownership::kUnknown};

// Decides by a block and not by the function's address, because the program's malloc may be a wrapper of Tenure's. The functions are the
// ones that the program's calls reach. A direct call here would not reach them, because the library binds its own functions to itself.
Ownership decide() {
  if (!bootstrap()) return Ownership::kUnknown;
  const auto allocate = reinterpret_cast<void* (*)(size_t)>(dlsym(RTLD_DEFAULT, "malloc"));
  const auto release = reinterpret_cast<void (*)(void*)>(dlsym(RTLD_DEFAULT, "free"));
  // A statically linked program may have no symbols. It has one malloc.
  if (allocate == nullptr || release == nullptr) return Ownership::kOurs;
  const RootScope no_limit;
  void* const block = allocate(1);
  if (block == nullptr) return Ownership::kUnknown;
  const bool ours = granule_of(block) != kNoGranule;
  release(block);
  return ours ? Ownership::kOurs : Ownership::kAnothers;
}

}  // namespace

bool owns_malloc() {
  Ownership known = ownership.load(std::memory_order_relaxed);
  if (TENURE_UNLIKELY(known == Ownership::kUnknown)) {
    known = decide();
    ownership.store(known, std::memory_order_relaxed);
  }
  // Without memory for one block the question stays open, and the next call asks again.
  return known != Ownership::kAnothers;
}

}  // namespace tenure
