#pragma once

#include <atomic>
#include <stdlib.h>
#include <string.h>

#include "tests/tenants/support/tenant.h"

namespace blackbox {

// A service's cache that any of its objects may go from: malloc'ed blocks on an LRU, and a shrinker
// that frees them.
class Evictable {
public:
  explicit Evictable(unsigned cost = 2) {
    REQUIRE(tenure_lru_create(&lru_) == 0, "no LRU");
    const int error =
        tenure_shrinker_register("evictable", count_of, scan_of, cost, this, &shrinker_);
    REQUIRE(error == 0, "registering the shrinker: %d", error);
    REQUIRE(tenure_lru_set_shrinker(lru_, shrinker_) == 0, "not tied");
  }
  ~Evictable() {
    REQUIRE(tenure_shrinker_unregister(shrinker_) == 0, "not unregistered");
    tenure_tenant_for_each(
        nullptr,
        [](tenure_tenant* tenant, void* self) {
          static_cast<Evictable*>(self)->evict(tenant, SIZE_MAX);
          return 0;
        },
        this);
    const int error = tenure_lru_destroy(lru_);
    REQUIRE(error == 0, "destroying the LRU: %d", error);
  }
  Evictable(const Evictable&) = delete;
  Evictable& operator=(const Evictable&) = delete;

  // False where the library refused the memory.
  bool add(tenure_tenant* tenant, size_t size) {
    REQUIRE(size >= sizeof(tenure_lru_item), "%zu bytes", size);
    void* block = tenure_malloc(tenant, size);
    if (block == nullptr) return false;
    memset(block, 0x5A, size);
    auto* item = new (block) tenure_lru_item{};
    const int error = tenure_lru_add_for(lru_, tenant, item);
    REQUIRE(error == 0, "adding to the LRU: %d", error);
    return true;
  }
  size_t count(tenure_tenant* tenant) const { return tenure_lru_count(lru_, tenant); }
  size_t evict(tenure_tenant* tenant, size_t most) {
    return tenure_lru_walk(lru_, tenant, free_item, nullptr, most);
  }

private:
  static size_t count_of(tenure_tenant* tenant, void* self) {
    return static_cast<Evictable*>(self)->count(tenant);
  }
  static size_t scan_of(tenure_tenant* tenant, size_t most, void* self) {
    return static_cast<Evictable*>(self)->evict(tenant, most);
  }
  static tenure_lru_verdict free_item(tenure_lru_item* item, void*) {
    free(item);
    return TENURE_LRU_REMOVED;
  }

  tenure_lru* lru_ = nullptr;
  tenure_shrinker* shrinker_ = nullptr;
};

}  // namespace blackbox
