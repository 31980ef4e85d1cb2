#include "allocator/caches/tenant_purge.h"

#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/tenant_heap.h"
#include "allocator/fronts/caching_tenants.h"
#include "allocator/fronts/depots.h"

namespace tenure {
namespace {

// Purges so far: each has a number of its own.
constinit std::atomic<uint64_t> checks{0};
// The latest cookie that a tenant waits for. A hint: relaxed.
constinit std::atomic<grace::Cookie> latest_cookie{0};

bool is_empty(const Cache& cache) {
  bool empty = true;
  for_each_depot(cache, [&empty](const Depot& depot) { empty &= depot.empty(); });
  const uint32_t slot = cache.front_slot.load(std::memory_order_relaxed);
  if (!empty || slot == 0) return empty;
  const auto is_shut = [](uint32_t area, uint32_t offset) {
    const ChainWord word = word_in_area(area, offset).load(std::memory_order_acquire);
    return word == kClosedWord || word == kSealedWord;
  };
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    // The free word first: a swap of the two leads from an open one to the other, and none begins once that is closed.
    if (!is_shut(area, slot + kFreeWord) || !is_shut(area, slot)) return false;
  }
  return true;
}

bool is_empty(Tenant& tenant) {
  bool empty = true;
  for_each_cache_of(tenant, [&empty](const Cache& cache) { empty = empty && is_empty(cache); });
  return empty;
}

// Where the tenant is clean. That may end at any time, so the bit goes only if nobody has set it since it was read.
void clear_bit(Tenant& tenant) {
  const uint32_t id = index_of(tenant.id());
  uint64_t seen = caching_word_of(id).load(std::memory_order_acquire);
  if (!CachingWord{seen}.has(id) ||
      tenant.caching.load(std::memory_order_acquire) != CachingState::kClean)
    return;
  caching_word_of(id).compare_exchange_strong(seen, CachingWord{seen}.without(id).word,
                                              std::memory_order_acq_rel);
}

}  // namespace

size_t purge_tenant(Tenant& tenant) {
  uint64_t seen = tenant.caching.load(std::memory_order_acquire);
  const CachingState state{seen};
  if (state.is_checked() && grace::poll(state.cookie()) && is_empty(tenant) &&
      tenant.caching.compare_exchange_strong(seen, CachingState::kClean, std::memory_order_acq_rel))
    seen = CachingState::kClean;
  if (seen == CachingState::kClean) {
    clear_bit(tenant);
    return 0;
  }
  uint64_t mine = CachingState::checking(checks.fetch_add(1, std::memory_order_relaxed) + 1).word;
  // A thread that is just entering goes on; this purge takes the objects that it finds.
  if (seen == CachingState::kEntering ||
      !tenant.caching.compare_exchange_strong(seen, mine, std::memory_order_acq_rel))
    return empty_tenant_caches(tenant);
  const size_t freed = empty_tenant_caches(tenant);
  const grace::Cookie cookie = grace::start_poll();
  // Fails where a slow step has entered, or another purge begun.
  if (tenant.caching.compare_exchange_strong(mine, CachingState::checked(cookie).word,
                                             std::memory_order_acq_rel))
    latest_cookie.store(cookie, std::memory_order_relaxed);
  return freed;
}

void advance_caching() { grace::poll(latest_cookie.load(std::memory_order_relaxed)); }

bool validate_caching() {
  bool valid = true;
  for_each_in_subtree(root_tenant, [&valid](Tenant& tenant) {
    if (&tenant == &root_tenant) return true;
    const uint32_t id = index_of(tenant.id());
    const bool has_bit = CachingWord{caching_word_of(id).load(std::memory_order_acquire)}.has(id);
    const CachingState state{tenant.caching.load(std::memory_order_acquire)};
    // A slow step that a fork has cut off may have left `entering` without a bit. It had opened nothing.
    const bool may_have = has_bit && !state.is_clean() && state.word != CachingState::kEntering;
    valid = may_have || is_empty(tenant);
    return valid;
  });
  return valid;
}

}  // namespace tenure
