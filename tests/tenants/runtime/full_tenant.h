// Threads in a tenant that refuses every byte, and what the C and C++ runtimes do there.
#pragma once

#include <pthread.h>

#include "tests/tenants/support/ending.h"
#include "tests/tenants/support/tenant_test.h"

namespace blackbox {

// A tenant at its limit, with its reserve used up.
class FullTenant {
public:
  FullTenant() : tenant_("full", nullptr, TENURE_DURABLE) {
    tenant_.limit(TENURE_MAX, 256 * kKiB);
    // Each size until it is refused, so that nothing is left for one that comes later.
    for (size_t size = 64 * kKiB; size >= 16; size /= 2) blocks_.fill(tenant_, size, kMiB);
  }

  // Runs function() on a thread inside, which may end by any means.
  template <typename Function>
  void run(Function function) {
    pthread_t thread;
    {
      const Inside inside(tenant_);
      const int error = pthread_create(&thread, nullptr, call<Function>, &function);
      REQUIRE(error == 0, "pthread_create: %d", error);
    }
    const int error = pthread_join(thread, nullptr);
    REQUIRE(error == 0, "pthread_join: %d", error);
  }

  // What the runtime needed is not the tenant's.
  void require_balance() {
    blocks_.clear();
    const size_t usage = tenant_.settled();
    REQUIRE(usage == 0, "%zu bytes stay charged", usage);
    REQUIRE(tenure_validate() == 0, "the heap is inconsistent");
  }

private:
  template <typename Function>
  static void* call(void* function) {
    REQUIRE(tenure_current() != nullptr, "not inside");
    REQUIRE(malloc(16) == nullptr && malloc(kMiB) == nullptr, "the tenant is not full");
    (*static_cast<Function*>(function))();
    return nullptr;
  }

  Tenant tenant_;
  Blocks blocks_;
};

// In a process of its own: does it outlive this?
template <typename Function>
void expect_survival(Function function) {
  const Ending ending = ending_of([&] {
    FullTenant full;
    full.run(function);
    full.require_balance();
  });
  EXPECT_EQ(ending.status, 0) << ending.err;
}

}  // namespace blackbox
