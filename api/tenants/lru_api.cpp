// The functions of lru.h.
#include <errno.h>

#include "accounting/shrinkers/lru.h"
#include "accounting/shrinkers/shrinker.h"
#include "allocator/heap/bootstrap.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/current.h"
#include "api/tenants/control_end.h"
#include "api/tenants/handles.h"
#include "base/system/topology.h"
#include "tenure/lru.h"
#include "tenure/scope.h"

using namespace tenure;

static_assert(sizeof(tenure_lru_item) == sizeof(LruItem));
static_assert(TENURE_LRU_REMOVED == static_cast<int>(LruVerdict::kRemoved) &&
              TENURE_LRU_ROTATE == static_cast<int>(LruVerdict::kRotate) &&
              TENURE_LRU_SKIP == static_cast<int>(LruVerdict::kSkip) &&
              TENURE_LRU_RETRY == static_cast<int>(LruVerdict::kRetry) &&
              TENURE_LRU_STOP == static_cast<int>(LruVerdict::kStop));

namespace {

Lru& lru_of(tenure_lru* lru) { return *reinterpret_cast<Lru*>(lru); }
LruItem& item_of(tenure_lru_item* item) { return *reinterpret_cast<LruItem*>(item); }

// The calling convention is the same: handles, items and verdicts have the same representation as the library's types.
template <typename To, typename From>
To as(From function) {
  return reinterpret_cast<To>(reinterpret_cast<void (*)()>(function));
}

LruNodes nodes_of_lrus() {
  const int64_t asked = arena.settings.lru_lists;
  if (asked != 0) return {static_cast<uint32_t>(asked), current_cpu};
  return {numa_nodes(), current_node};
}

}  // namespace

TENURE_EXPORT int tenure_lru_create(tenure_lru** lru) {
  if (lru == nullptr) return -EINVAL;
  *lru = nullptr;
  if (!bootstrap()) return -ENOMEM;
  *lru = reinterpret_cast<tenure_lru*>(Lru::create(nodes_of_lrus()));
  return finish(*lru ? 0 : -ENOMEM);
}

TENURE_EXPORT int tenure_lru_destroy(tenure_lru* lru) {
  return lru ? finish(Lru::destroy(&lru_of(lru))) : 0;
}

TENURE_EXPORT int tenure_lru_add(tenure_lru* lru, tenure_lru_item* item) {
  return tenure_lru_add_for(lru, tenure_current(), item);
}

TENURE_EXPORT int tenure_lru_add_for(tenure_lru* lru, tenure_tenant* tenant,
                                     tenure_lru_item* item) {
  if (const int refused = refusal_of(tenant)) return refused;
  return lru_add(lru_of(lru), tenant_of(tenant), item_of(item));
}

TENURE_EXPORT int tenure_lru_touch(tenure_lru_item* item) { return lru_touch(item_of(item)); }

TENURE_EXPORT int tenure_lru_remove(tenure_lru_item* item) { return lru_remove(item_of(item)); }

TENURE_EXPORT int tenure_lru_isolate(tenure_lru_item* item) { return lru_isolate(item_of(item)); }

TENURE_EXPORT size_t tenure_lru_count(tenure_lru* lru, tenure_tenant* tenant) {
  if (refusal_of(tenant) != 0) return 0;
  return lru_count(lru_of(lru), tenant_of(tenant));
}

TENURE_EXPORT size_t tenure_lru_walk(tenure_lru* lru, tenure_tenant* tenant,
                                     tenure_lru_callback callback, void* argument, size_t most) {
  if (refusal_of(tenant) != 0) return 0;
  return lru_walk(lru_of(lru), tenant_of(tenant), as<LruCallback>(callback), argument, most);
}

TENURE_EXPORT unsigned tenure_lru_nodes(tenure_lru* lru) {
  return static_cast<unsigned>(lru_of(lru).nodes.size());
}

TENURE_EXPORT size_t tenure_lru_count_node(tenure_lru* lru, tenure_tenant* tenant, unsigned node) {
  if (refusal_of(tenant) != 0) return 0;
  return lru_count_node(lru_of(lru), tenant_of(tenant), node);
}

TENURE_EXPORT size_t tenure_lru_walk_node(tenure_lru* lru, tenure_tenant* tenant, unsigned node,
                                          tenure_lru_callback callback, void* argument,
                                          size_t most) {
  if (refusal_of(tenant) != 0) return 0;
  return lru_walk_node(lru_of(lru), tenant_of(tenant), node, as<LruCallback>(callback), argument,
                       most);
}

TENURE_EXPORT int tenure_shrinker_register(const char* name, tenure_shrink_count count,
                                           tenure_shrink_scan scan, unsigned cost, void* argument,
                                           tenure_shrinker** shrinker) {
  if (shrinker == nullptr) return -EINVAL;
  *shrinker = nullptr;
  if (!bootstrap()) return -ENOMEM;
  Shrinker* made = nullptr;
  const int error = register_shrinker(name, as<CountCallback>(count), as<ScanCallback>(scan), cost,
                                      argument, &made);
  *shrinker = reinterpret_cast<tenure_shrinker*>(made);
  return finish(error);
}

TENURE_EXPORT int tenure_lru_set_shrinker(tenure_lru* lru, tenure_shrinker* shrinker) {
  if (lru == nullptr) return -EINVAL;
  tie_lru(lru_of(lru), reinterpret_cast<Shrinker*>(shrinker));
  return finish(0);
}

TENURE_EXPORT int tenure_shrinker_unregister(tenure_shrinker* shrinker) {
  return shrinker ? finish(unregister_shrinker(reinterpret_cast<Shrinker*>(shrinker))) : 0;
}
