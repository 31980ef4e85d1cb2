// What tenant LRUs cost where there are many LRUs and many tenants have come and gone.
//
// Two LRUs for each mount of the incident, as inodes and dentries have: 952 x 2 x 24,574 ids x 4 nodes x 32 bytes were 5.6 GiB.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>

#include "incident.h"

using namespace incident;

namespace {

constexpr size_t kLrus = 2 * kMounts;
constexpr size_t kNodes = 4, kListBytes = 32;

struct Case {
  std::vector<tenure_lru*> lrus;
  std::vector<tenure_tenant*> live;
  std::vector<tenure_lru_item> items;
  size_t before;
};

// `pairs` items for each live tenant, each on another LRU.
void measure(Case& run, size_t lrus_each) {
  run.items.assign(run.live.size() * lrus_each, {});
  const auto start = Clock::now();
  size_t next = 0;
  for (size_t t = 0; t < run.live.size(); ++t) {
    for (size_t i = 0; i < lrus_each; ++i) {
      tenure_lru* lru = run.lrus[(t * 37 + i) % kLrus];
      if (tenure_lru_add_for(lru, run.live[t], &run.items[next++]) != 0) abort();
    }
  }
  const double first = ns_since(start);
  const size_t bytes = metadata() - run.before;
  const auto again = Clock::now();
  for (tenure_lru_item& item : run.items) tenure_lru_touch(&item);
  const double touch = ns_since(again);
  const double count = static_cast<double>(next);
  std::printf("%6zu LRUs a tenant: %8zu lists  %8.2f MiB  %6.0f bytes a list  add %5.0f ns  touch "
              "%4.0f ns\n",
              lrus_each, next, mib(bytes), static_cast<double>(bytes) / count, first / count,
              touch / count);
  for (tenure_lru_item& item : run.items) tenure_lru_remove(&item);
}

// Threads that each touch items of their own, of one tenant: the lists' locks, and the neighbours in the rings, are what
// they share. With TENURE_LRU_LISTS as many lists as CPUs.
void measure_threads(tenure_lru* lru, tenure_tenant* tenant, unsigned threads) {
  constexpr size_t kItems = 1000, kRounds = 2000;
  std::vector<double> ns(threads);
  std::atomic<unsigned> ready{0};
  std::vector<std::thread> running;
  for (unsigned t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(t, &one);
      sched_setaffinity(0, sizeof one, &one);
      std::vector<tenure_lru_item> items(kItems);
      for (tenure_lru_item& item : items) {
        if (tenure_lru_add_for(lru, tenant, &item) != 0) abort();
      }
      for (++ready; ready != threads;) {
      }
      const auto start = Clock::now();
      for (size_t round = 0; round < kRounds; ++round) {
        for (tenure_lru_item& item : items) tenure_lru_touch(&item);
      }
      ns[t] = ns_since(start) / (kItems * kRounds);
      for (tenure_lru_item& item : items) tenure_lru_remove(&item);
    });
  }
  for (std::thread& thread : running) thread.join();
  std::printf("%u threads touch items of one tenant, on %u lists: %.0f ns\n", threads,
              tenure_lru_nodes(lru), *std::max_element(ns.begin(), ns.end()));
}

}  // namespace

int main() {
  Case run;
  const std::vector<tenure_tenant*> tenants = all_tenants();
  const size_t before_lrus = metadata();
  run.lrus.resize(kLrus);
  for (tenure_lru*& lru : run.lrus) {
    if (tenure_lru_create(&lru) != 0) abort();
  }
  std::printf("eager: %zu LRUs x %zu ids x %zu nodes x %zu bytes = %.2f GiB\n", kLrus, kIds, kNodes,
              kListBytes, mib(kLrus * kIds * kNodes * kListBytes) / 1024);
  std::printf("%zu LRUs without items: %.2f MiB\n", kLrus, mib(metadata() - before_lrus));
  run.live = survivors(tenants);
  run.before = metadata();
  for (const size_t lrus_each : {size_t{2}, size_t{8}, kLrus}) measure(run, lrus_each);

  measure_threads(run.lrus[0], run.live[0], 1);
  measure_threads(run.lrus[0], run.live[0], 2);

  // Offline of a tenant with items on every LRU.
  run.items.assign(kLrus * 10, {});
  for (size_t i = 0; i < run.items.size(); ++i) {
    if (tenure_lru_add_for(run.lrus[i % kLrus], run.live[0], &run.items[i]) != 0) abort();
  }
  const auto start = Clock::now();
  tenure_tenant_offline(run.live[0], 0);
  const double offline = ns_since(start);
  std::printf("offline of a tenant with %zu items on %zu LRUs: %.0f us\n", run.items.size(), kLrus,
              offline / 1000);
}
