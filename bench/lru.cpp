// What tenant LRUs cost where there are many LRUs and many tenants have come and gone.
//
// The setting is the one that led Linux to allocate list_lru_one only when needed (2022): 952 mounts
// with two LRUs each, 24,574 ids once in use, 4 nodes, 32 bytes for each: 5.6 GiB for lists that were
// nearly all empty. Here the same LRUs and ids, of which 500 tenants, scattered over the range, live
// on with a few items each.
#include <tenure/tenure.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr size_t kMounts = 952, kLrus = 2 * kMounts, kIds = 24574, kLive = 500;
constexpr size_t kNodes = 4, kListBytes = 32;

size_t metadata() {
  struct tenure_stats stats {};
  stats.struct_size = sizeof stats;
  if (tenure_stats(&stats) != 0) abort();
  return stats.meta;
}

double mib(size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

struct Case {
  std::vector<tenure_lru*> lrus;
  std::vector<tenure_tenant*> live;
  std::vector<tenure_lru_item> items;
  size_t before;
};

// `pairs` items for each live tenant, each on another LRU.
void measure(Case& run, size_t lrus_each) {
  run.items.assign(run.live.size() * lrus_each, {});
  const auto start = std::chrono::steady_clock::now();
  size_t next = 0;
  for (size_t t = 0; t < run.live.size(); ++t) {
    for (size_t i = 0; i < lrus_each; ++i) {
      tenure_lru* lru = run.lrus[(t * 37 + i) % kLrus];
      if (tenure_lru_add_for(lru, run.live[t], &run.items[next++]) != 0) abort();
    }
  }
  const std::chrono::duration<double, std::nano> first = std::chrono::steady_clock::now() - start;
  const size_t bytes = metadata() - run.before;
  const auto again = std::chrono::steady_clock::now();
  for (tenure_lru_item& item : run.items) tenure_lru_touch(&item);
  const std::chrono::duration<double, std::nano> touch = std::chrono::steady_clock::now() - again;
  const double count = static_cast<double>(next);
  std::printf("%6zu LRUs a tenant: %8zu lists  %8.2f MiB  %6.0f bytes a list  add %5.0f ns  touch "
              "%4.0f ns\n",
              lrus_each, next, mib(bytes), static_cast<double>(bytes) / count,
              first.count() / count, touch.count() / count);
  for (tenure_lru_item& item : run.items) tenure_lru_remove(&item);
}

}  // namespace

int main() {
  Case run;
  std::vector<tenure_tenant*> tenants(kIds);
  for (size_t i = 0; i < kIds; ++i) {
    if (tenure_tenant_create(nullptr, std::to_string(i).c_str(), 0, &tenants[i]) != 0) abort();
  }
  const size_t before_lrus = metadata();
  run.lrus.resize(kLrus);
  for (tenure_lru*& lru : run.lrus) {
    if (tenure_lru_create(&lru) != 0) abort();
  }
  std::printf("eager: %zu LRUs x %zu ids x %zu nodes x %zu bytes = %.2f GiB\n", kLrus, kIds, kNodes,
              kListBytes, mib(kLrus * kIds * kNodes * kListBytes) / 1024);
  std::printf("%zu LRUs without items: %.2f MiB\n", kLrus, mib(metadata() - before_lrus));
  for (size_t i = 0; i < kIds; ++i) {
    if (i % (kIds / kLive) == 0 && run.live.size() < kLive) {
      run.live.push_back(tenants[i]);
    } else {
      if (tenure_tenant_offline(tenants[i], 0) != 0) abort();
      tenure_tenant_close(tenants[i]);
    }
  }
  tenure_reap();
  run.before = metadata();
  for (const size_t lrus_each : {size_t{2}, size_t{8}, kLrus}) measure(run, lrus_each);

  // Offline of a tenant with items on every LRU.
  run.items.assign(kLrus * 10, {});
  for (size_t i = 0; i < run.items.size(); ++i) {
    if (tenure_lru_add_for(run.lrus[i % kLrus], run.live[0], &run.items[i]) != 0) abort();
  }
  const auto start = std::chrono::steady_clock::now();
  tenure_tenant_offline(run.live[0], 0);
  const std::chrono::duration<double, std::micro> offline =
      std::chrono::steady_clock::now() - start;
  std::printf("offline of a tenant with %zu items on %zu LRUs: %.0f us\n", run.items.size(), kLrus,
              offline.count());
}
