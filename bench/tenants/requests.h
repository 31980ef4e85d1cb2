// A service whose requests each belong to one of many tenants.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <utility>

#include "tenants/backend.h"
#include "tenants/measure.h"

namespace bench {

// Serves requests in one thread. A request allocates 60 objects inside its tenant, puts six of them in place of older ones in the
// tenant's store, and frees the others.
template <typename Backend>
class Server {
public:
  using Tenants = std::vector<decltype(Backend::create({}, ""))>;

  Server(std::size_t tenants, std::uint32_t seed) : stores_(tenants), draws_(seed) {}

  // Nanoseconds a malloc and free.
  double serve(const Tenants& tenants, std::size_t requests) {
    const double begin = seconds_now();
    for (std::size_t i = 0; i < requests; ++i) {
      const std::size_t number = draws_.below(tenants.size());
      const auto outer = Backend::enter(tenants[number]);
      request(tenants[number], stores_[number]);
      Backend::leave(outer);
    }
    return (seconds_now() - begin) / static_cast<double>(requests * kObjects) * 1e9;
  }

private:
  static constexpr std::size_t kObjects = 60, kKept = 6;
  struct Store {
    void* objects[64] = {};
  };

  void request(typename Tenants::value_type tenant, Store& store) {
    void* objects[kObjects];
    for (void*& object : objects) {
      object = Backend::allocate(tenant, kSizes[draws_.below(std::size(kSizes))]);
      *static_cast<volatile char*>(object) = 1;
    }
    for (std::size_t i = 0; i < kObjects; ++i) {
      void* leaving = objects[i];
      if (i % (kObjects / kKept) == 0)
        leaving = std::exchange(store.objects[draws_.below(std::size(store.objects))], objects[i]);
      if (leaving != nullptr) Backend::release(tenant, leaving);
    }
  }

  std::vector<Store> stores_;
  Draws draws_;
};

template <typename Backend>
typename Server<Backend>::Tenants make_tenants(std::size_t count, const std::string& prefix) {
  typename Server<Backend>::Tenants tenants(count);
  for (std::size_t i = 0; i < count; ++i) {
    tenants[i] = Backend::create({}, (prefix + std::to_string(i)).c_str());
    if constexpr (std::is_same_v<Backend, TenureTenants>)
      Backend::limit(tenants[i], std::size_t{64} << 20);  // As services have them; never met.
  }
  return tenants;
}

// Threads that serve requests of random tenants. The threads have the same tenants, but stores of their own for each. The work depends
// on `seconds` (400,000 requests for half a second), not on the speed, so that resident memory compares, too.
template <typename Backend>
void requests_row(double seconds, std::size_t count, unsigned thread_count, const char* name) {
  constexpr bool kShared = Backend::kForAllThreads;
  if (count * (kShared ? 1 : thread_count) > Backend::kMost) return;
  const auto requests = static_cast<std::size_t>(seconds * 800000) / thread_count;
  typename Server<Backend>::Tenants shared;
  if constexpr (kShared) shared = make_tenants<Backend>(count, "tenant");
  std::vector<Server<Backend>> servers;
  for (unsigned i = 0; i < thread_count; ++i) servers.emplace_back(count, i + 1);

  std::atomic<unsigned> ready{0};
  std::vector<double> times(thread_count);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < thread_count; ++i)
    threads.emplace_back([&, i] {
      typename Server<Backend>::Tenants own;
      if constexpr (!kShared)
        own = make_tenants<Backend>(count, "tenant" + std::to_string(i) + "-");
      for (++ready; ready != thread_count;) sched_yield();
      times[i] = servers[i].serve(kShared ? shared : own, requests);
    });
  double sum = 0;
  for (std::thread& thread : threads) thread.join();
  for (const double time : times) sum += time;
  report(name, "ns", sum / thread_count);
  report((std::string(name) + " resident").c_str(), "MiB",
         static_cast<double>(resident_bytes()) / 1048576);
}

}  // namespace bench
