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

// Relaxed: a plain value, and all who decide come to the same.
constinit std::atomic<Ownership> ownership{Ownership::kUnknown};

// By a block and not by the function's address: the program's malloc may be a wrapper of ours. The functions are those that the
// program's own calls reach, which a call here would not: the library binds its own functions to itself.
Ownership decide() {
  if (!bootstrap()) return Ownership::kUnknown;
  const auto allocate = reinterpret_cast<void* (*)(size_t)>(dlsym(RTLD_DEFAULT, "malloc"));
  const auto release = reinterpret_cast<void (*)(void*)>(dlsym(RTLD_DEFAULT, "free"));
  // A program that is linked statically may have no symbols: it has one malloc.
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
  // Without memory for one block there is nothing to be limited either: asked again next time.
  return known != Ownership::kAnothers;
}

}  // namespace tenure
