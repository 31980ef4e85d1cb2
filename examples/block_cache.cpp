// Three tenants compete for one cache, and gold is protected. With an argument the program prints usage over time (bench/block_cache.py).
#undef NDEBUG
#include "block_cache.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

constexpr size_t kMiB = 1 << 20, kTenants = 3, kSamples = 60;
constexpr const char* kNames[kTenants] = {"gold", "silver", "bronze"};
tenure_tenant *service, *tenants[kTenants];
BlockCache cache;
std::atomic<size_t> phase{0};

// Gold fills 20 MiB, and then rests for a while. The others keep reading, bronze from the second third on.
void read_blocks(size_t i) {
  for (uint64_t n = 0; phase < kSamples; ++n) {
    const size_t third = phase * 3 / kSamples;
    if (i == 0 ? third != 1 : i == 1 || third >= 1)
      cache.get(tenants[i], (i == 0 ? n % 625 : n) * kTenants + i);
    if (n % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
}

size_t usage(tenure_tenant* tenant) {
  struct tenure_tenant_stats stats {};
  stats.struct_size = sizeof stats;
  assert(tenure_tenant_stats(tenant, &stats) == 0);
  return stats.usage;
}

int main(int argc, char**) {
  assert(tenure_tenant_create(tenure_root(), "cache", 0, &service) == 0);
  for (size_t i = 0; i < kTenants; ++i)
    assert(tenure_tenant_create(service, kNames[i], 0, &tenants[i]) == 0);
  tenure_tenant_set_limit(service, TENURE_MAX, 48 * kMiB);
  tenure_tenant_set_limit(tenants[0], TENURE_LOW, 16 * kMiB);
  std::thread threads[kTenants];
  for (size_t i = 0; i < kTenants; ++i) threads[i] = std::thread(read_blocks, i);
  for (bool full = false; phase < kSamples; ++phase) {
    std::this_thread::sleep_for(std::chrono::milliseconds(15));
    const size_t gold = usage(tenants[0]), all = usage(service);
    if (argc > 1)
      std::printf("%zu %zu %zu %zu %zu\n", phase.load(), gold, usage(tenants[1]), usage(tenants[2]),
                  all);
    assert(all <= 48 * kMiB);
    full |= gold >= 17 * kMiB;
    assert(!full || gold >= 15 * kMiB);  // Others take no memory that is protected.
  }
  for (std::thread& thread : threads) thread.join();
  for (tenure_tenant* tenant : tenants) {  // The service pays for their memory now.
    assert(tenure_tenant_offline(tenant, 0) == 0);
    tenure_tenant_close(tenant);
  }
  assert(cache.blocks_of(service) == cache.size());
  assert(tenure_reclaim(service, SIZE_MAX) > 0 && cache.size() == 0);
  assert(tenure_tenant_offline(service, 0) == 0);
  tenure_tenant_close(service);
}
