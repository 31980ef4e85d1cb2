// A cache of blocks that several tenants share under one limit. Each block is charged to its tenant and hangs on the
// tenant's list; nobody counts or evicts but the shrinker. With an argument: prints usage over time (bench/block_cache.py).
#undef NDEBUG
#include <tenure/tenure.h>

#include <atomic>
#include <cassert>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <thread>
#include <unordered_map>

constexpr size_t kMiB = 1 << 20, kTenants = 3, kSamples = 60;
constexpr const char* kNames[kTenants] = {"gold", "silver", "bronze"};

struct Block {
  tenure_lru_item item{};  // First: found again by a cast.
  uint64_t key;
  char data[32000];
};
// Held while blocks are looked up, touched, added and evicted. The shrinker may wait for it, because
// nobody allocates for a tenant while holding it; otherwise it would have to try.
std::mutex table_lock;
std::unordered_map<uint64_t, Block*> table;
tenure_lru* lru;
tenure_tenant *service, *tenants[kTenants];
std::atomic<size_t> phase{0}, misses{0};

tenure_lru_verdict evict(tenure_lru_item* item, void*) {
  const std::lock_guard guard(table_lock);
  auto* block = reinterpret_cast<Block*>(item);
  table.erase(block->key);
  free(block);
  return TENURE_LRU_REMOVED;
}

void get(size_t tenant, uint64_t number) {
  const uint64_t key = number * kTenants + tenant;
  {
    const std::lock_guard guard(table_lock);
    if (auto found = table.find(key); found != table.end()) {
      tenure_lru_touch(&found->second->item);
      return;
    }
  }
  void* memory = tenure_malloc(tenants[tenant], sizeof(Block));
  assert(memory != nullptr);  // Nine tenths of the memory can be evicted: nothing ever fails.
  ++misses;
  auto* block = new (memory) Block{{}, key, {}};
  const std::lock_guard guard(table_lock);
  table.emplace(key, block);
  assert(tenure_lru_add_for(lru, tenants[tenant], &block->item) == 0);
}

size_t usage(tenure_tenant* tenant) {
  struct tenure_tenant_stats stats {};
  stats.struct_size = sizeof stats;
  assert(tenure_tenant_stats(tenant, &stats) == 0);
  return stats.usage;
}

int main(int argc, char**) {
  tenure_shrinker* shrinker = nullptr;
  assert(tenure_lru_create(&lru) == 0);
  assert(tenure_shrinker_register(
             "blocks", [](tenure_tenant* t, void*) { return tenure_lru_count(lru, t); },
             [](tenure_tenant* t, size_t most, void*) {
               return tenure_lru_walk(lru, t, evict, nullptr, most);
             },
             2, nullptr, &shrinker) == 0);
  assert(tenure_lru_set_shrinker(lru, shrinker) == 0);
  assert(tenure_tenant_create(nullptr, "cache", 0, &service) == 0);
  for (size_t i = 0; i < kTenants; ++i)
    assert(tenure_tenant_create(service, kNames[i], 0, &tenants[i]) == 0);
  tenure_tenant_set_limit(service, TENURE_MAX, 48 * kMiB);
  tenure_tenant_set_limit(tenants[0], TENURE_LOW, 16 * kMiB);

  std::thread threads[kTenants];
  for (size_t i = 0; i < kTenants; ++i)
    threads[i] = std::thread([i] {
      // Gold comes back to 20 MiB, and rests for a while; the others read on and on, bronze from the second third.
      for (uint64_t n = 0; phase < kSamples; ++n) {
        const size_t third = phase * 3 / kSamples;
        if (i == 0 ? third != 1 : i == 1 || third >= 1) get(i, i == 0 ? n % 625 : n);
        if (n % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(500));
      }
    });
  bool full = false;
  for (; phase < kSamples; ++phase) {
    std::this_thread::sleep_for(std::chrono::milliseconds(15));
    const size_t gold = usage(tenants[0]), all = usage(service);
    if (argc > 1)
      std::printf("%zu %zu %zu %zu %zu\n", phase.load(), gold, usage(tenants[1]), usage(tenants[2]),
                  all);
    assert(all <= 48 * kMiB);
    full |= gold >= 17 * kMiB;
    assert(!full || gold >= 15 * kMiB);  // Others take what lies above its protection, no more.
  }
  for (std::thread& thread : threads) thread.join();
  for (tenure_tenant* tenant : tenants) {  // What they had is the service's now.
    assert(tenure_tenant_offline(tenant, 0) == 0);
    tenure_tenant_close(tenant);
  }
  const size_t blocks = tenure_lru_count(lru, service);
  std::fprintf(stderr, "%zu misses, %zu blocks left\n", misses.load(), blocks);
  assert(blocks == table.size());
  assert(tenure_reclaim(service, SIZE_MAX) > 0 && table.empty());
  assert(tenure_shrinker_unregister(shrinker) == 0 && tenure_lru_destroy(lru) == 0);
  assert(tenure_tenant_offline(service, 0) == 0);
  tenure_tenant_close(service);
}
