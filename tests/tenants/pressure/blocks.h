// A cache of blocks that belong to a tenant, from which a shrinker takes.
#pragma once

#include <atomic>
#include <stdlib.h>
#include <string.h>

#include "tests/blackbox/support/random.h"
#include "tests/tenants/support/tenant.h"

namespace blackbox {

class Blocks {
public:
  Blocks() : tenant_("blocks") {
    REQUIRE(tenure_lru_create(&lru_) == 0, "no LRU");
    REQUIRE(tenure_shrinker_register("blocks", count_of, scan_of, 2, this, &shrinker_) == 0,
            "no shrinker");
    REQUIRE(tenure_lru_set_shrinker(lru_, shrinker_) == 0, "not tied");
  }
  ~Blocks() {
    REQUIRE(tenure_shrinker_unregister(shrinker_) == 0, "in a shrinker");
    tenure_lru_walk(lru_, tenant_, evict, nullptr, SIZE_MAX);
    REQUIRE(tenure_lru_destroy(lru_) == 0, "not empty");
  }

  // Never fails.
  void add(size_t bytes) {
    auto* block = static_cast<Block*>(tenure_malloc(tenant_, bytes));
    REQUIRE(block != nullptr, "no block of %zu bytes", bytes);
    memset(static_cast<void*>(block), 0, sizeof *block);
    block->bytes = bytes;
    memset(block + 1, int(bytes & 0xff), bytes - sizeof(Block));
    REQUIRE(tenure_lru_add_for(lru_, tenant_, &block->item) == 0, "not added");
  }
  void add_some(Random& random, size_t total) {
    for (size_t done = 0; done < total;) {
      const size_t bytes = 2000 + random.below(28000);
      add(bytes);
      done += bytes;
    }
  }
  size_t count() { return tenure_lru_count(lru_, tenant_); }
  size_t scans() const { return scans_; }
  tenure_tenant* tenant() { return tenant_; }

private:
  struct Block {
    tenure_lru_item item;
    size_t bytes;
  };
  static size_t count_of(tenure_tenant* tenant, void* self) {
    return tenure_lru_count(static_cast<Blocks*>(self)->lru_, tenant);
  }
  static size_t scan_of(tenure_tenant* tenant, size_t most, void* self) {
    ++static_cast<Blocks*>(self)->scans_;
    return tenure_lru_walk(static_cast<Blocks*>(self)->lru_, tenant, evict, nullptr, most);
  }
  static tenure_lru_verdict evict(tenure_lru_item* item, void*) {
    auto* block = reinterpret_cast<Block*>(item);
    const auto* bytes = reinterpret_cast<const unsigned char*>(block + 1);
    const size_t length = block->bytes - sizeof(Block);
    REQUIRE(bytes[0] == (block->bytes & 0xff) && bytes[length - 1] == bytes[0], "overwritten");
    free(block);
    return TENURE_LRU_REMOVED;
  }

  Tenant tenant_;
  tenure_lru* lru_ = nullptr;
  tenure_shrinker* shrinker_ = nullptr;
  std::atomic<size_t> scans_{0};
};

}  // namespace blackbox
