// The functions of memory.h.
#include "tenure/memory.h"

#include <errno.h>

#include "allocator/heap/heap.h"
#include "api/tenants/handles.h"
#include "base/words/bits.h"

using namespace tenure;

static void* fail(int error) {
  errno = error;
  return nullptr;
}

TENURE_EXPORT void* tenure_malloc(tenure_tenant* tenant, size_t size) {
  if (refusal_of(tenant) != 0) return fail(EINVAL);
  return allocate_for(tenant_of(tenant), size, 1, Fill::kAny);
}

TENURE_EXPORT void* tenure_calloc(tenure_tenant* tenant, size_t count, size_t size) {
  if (refusal_of(tenant) != 0) return fail(EINVAL);
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return fail(ENOMEM);
  return allocate_for(tenant_of(tenant), bytes, 1, Fill::kZero);
}

TENURE_EXPORT void* tenure_aligned_alloc(tenure_tenant* tenant, size_t alignment, size_t size) {
  if (refusal_of(tenant) != 0 || !is_power_of_two(alignment)) return fail(EINVAL);
  return allocate_for(tenant_of(tenant), size, alignment, Fill::kAny);
}

TENURE_EXPORT void* tenure_transfer(tenure_tenant* tenant, void* block) {
  if (refusal_of(tenant) != 0) return fail(EINVAL);
  return block ? transfer(tenant_of(tenant), block) : nullptr;
}

TENURE_EXPORT tenure_tenant* tenure_owner(const void* block) {
  return block ? give_handle(pin_owner(block)) : nullptr;
}
