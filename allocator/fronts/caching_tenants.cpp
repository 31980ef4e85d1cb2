#include "allocator/fronts/caching_tenants.h"

#include "accounting/tenants/tenant_tree.h"
#include "base/words/atomic_update.h"

namespace tenure {

constinit std::atomic<uint64_t> caching_words[kMostTenants / CachingWord::kIds];
constinit std::atomic<uint32_t> caching_end{0};

namespace {

void set_bit(uint32_t id) {
  // Before the bit, so that who finds the end finds the bit below it.
  atomic_raise(caching_end, id / CachingWord::kIds + 1);
  atomic_update(caching_word_of(id), [id](uint64_t word) -> std::optional<uint64_t> {
    return CachingWord{word}.with(id).word;
  });
}

}  // namespace

void enter_caching(Tenant& tenant) {
  for (uint64_t seen = tenant.caching.load(std::memory_order_acquire);
       seen != CachingState::kCaching;) {
    if (seen != CachingState::kEntering) {
      if (!tenant.caching.compare_exchange_weak(
              seen, CachingState::kEntering, std::memory_order_acq_rel, std::memory_order_acquire))
        continue;
      seen = CachingState::kEntering;
    }
    set_bit(index_of(tenant.id()));
    // Another's success is as good: its bit came after `entering`, too.
    if (tenant.caching.compare_exchange_strong(
            seen, CachingState::kCaching, std::memory_order_acq_rel, std::memory_order_acquire))
      return;
  }
}

bool is_small_subtree(Tenant& top) {
  uint32_t tenants = 0;
  for (Tenant* at = &top; at != nullptr; at = next_in_subtree(top, at)) {
    if (++tenants > kSmallSubtree) return false;
  }
  return true;
}

bool is_below(const Tenant* tenant, const Tenant& top) {
  while (tenant != nullptr && tenant != &top) tenant = tenant->parent();
  return tenant != nullptr;
}

Tenant* next_in_walk(Tenant& top, Tenant* at) { return next_in_subtree(top, at); }

}  // namespace tenure
