// What the arrays of named caches cost where there are many caches and many tenants have come and gone: the incident, for caches.
// The kernel's arrays of per-cgroup caches were as long as there had been ids, in each cache; here a slot comes with the first
// object of a tenant.
#include <cstdio>

#include "incident.h"

using namespace incident;

namespace {

struct Case {
  std::vector<tenure_cache*> caches;
  std::vector<tenure_tenant*> live;
  size_t before;
};

// An object in `caches_each` caches for each live tenant.
void measure(Case& run, size_t caches_each) {
  struct Object {
    tenure_cache* cache;
    void* memory;
  };
  std::vector<Object> objects;
  objects.reserve(run.live.size() * caches_each);
  const auto start = Clock::now();
  for (size_t t = 0; t < run.live.size(); ++t) {
    for (size_t i = 0; i < caches_each; ++i) {
      tenure_cache* const cache = run.caches[(t * 37 + i) % kMounts];
      void* const memory = tenure_cache_alloc_for(cache, run.live[t]);
      if (memory == nullptr) abort();
      objects.push_back({cache, memory});
    }
  }
  const double first = ns_since(start);
  const size_t bytes = metadata() - run.before;
  const auto count = static_cast<double>(objects.size());
  std::printf(
      "%6zu caches a tenant: %8zu pairs  %8.2f MiB  %6.0f bytes a pair  first object %5.0f ns\n",
      caches_each, objects.size(), mib(bytes), static_cast<double>(bytes) / count, first / count);
  for (const Object& object : objects) tenure_cache_free(object.cache, object.memory);
}

}  // namespace

int main() {
  Case run;
  const std::vector<tenure_tenant*> tenants = all_tenants();
  const size_t before_caches = metadata();
  run.caches.resize(kMounts);
  for (tenure_cache*& cache : run.caches) {
    if (tenure_cache_create("inode", 600, 0, 0, nullptr, &cache) != 0) abort();
  }
  std::printf("eager: %zu caches x %zu ids x %zu bytes a slot = %.0f MiB\n", kMounts, kIds,
              sizeof(void*), mib(kMounts * kIds * sizeof(void*)));
  std::printf("%zu caches without objects: %.2f MiB\n", kMounts, mib(metadata() - before_caches));
  run.live = survivors(tenants);
  run.before = metadata();
  for (const size_t caches_each : {size_t{2}, size_t{8}, size_t{32}}) measure(run, caches_each);
  // All of them gone.
  for (tenure_tenant* tenant : run.live) {
    if (tenure_tenant_offline(tenant, 0) != 0) abort();
    tenure_tenant_close(tenant);
  }
  if (tenure_reap() != 0) abort();
  const size_t left = metadata();
  std::printf("after the last tenant: %.2f MiB %s than before the first object\n",
              mib(left > run.before ? left - run.before : run.before - left),
              left > run.before ? "more" : "less");
}
