// A cache that tenants share. Each block is charged to its tenant and is on its tenant's LRU list. Only the shrinker evicts blocks.
#pragma once
#include <tenure/tenure.h>

#include <cassert>
#include <mutex>
#include <unordered_map>

class BlockCache {
public:
  BlockCache() {
    assert(tenure_lru_create(&lru_) == 0);
    assert(tenure_shrinker_register("blocks", count, scan, 2, this, &shrinker_) == 0 &&
           tenure_lru_set_shrinker(lru_, shrinker_) == 0);
  }
  ~BlockCache() { assert(!tenure_shrinker_unregister(shrinker_) && !tenure_lru_destroy(lru_)); }
  // Finds the block, or reads it in for the tenant.
  void get(tenure_tenant* tenant, uint64_t key) {
    if (touch(key)) return;
    void* memory = tenure_malloc(tenant, sizeof(Block));
    assert(memory != nullptr);  // Nine tenths of the memory can be evicted, so no allocation fails.
    auto* block = new (memory) Block{{}, key, {}};
    const std::lock_guard guard(lock_);
    const bool first = table_.emplace(key, block).second;
    first ? assert(tenure_lru_add_for(lru_, tenant, &block->item) == 0) : free(block);
  }
  size_t blocks_of(tenure_tenant* tenant) const { return tenure_lru_count(lru_, tenant); }
  size_t size() const { return table_.size(); }

private:
  struct Block {
    tenure_lru_item item{};  // First member: a cast finds the block.
    uint64_t key;
    char data[32000];
  };
  bool touch(uint64_t key) {
    const std::lock_guard guard(lock_);
    const auto at = table_.find(key);
    return at != table_.end() && tenure_lru_touch(&at->second->item) >= 0;
  }
  static size_t count(tenure_tenant* tenant, void* self) {
    return static_cast<BlockCache*>(self)->blocks_of(tenant);
  }
  static size_t scan(tenure_tenant* tenant, size_t most, void* self) {
    return tenure_lru_walk(static_cast<BlockCache*>(self)->lru_, tenant, evict, self, most);
  }
  static tenure_lru_verdict evict(tenure_lru_item* item, void* self) {
    auto& cache = *static_cast<BlockCache*>(self);
    const std::lock_guard guard(cache.lock_);
    cache.table_.erase(reinterpret_cast<Block*>(item)->key);
    free(item);
    return TENURE_LRU_REMOVED;
  }
  std::mutex
      lock_;  // No thread allocates for a tenant while it holds the lock, so the shrinker may wait for it.
  std::unordered_map<uint64_t, Block*> table_;
  tenure_lru* lru_ = nullptr;
  tenure_shrinker* shrinker_ = nullptr;
};
