// Customers come and go, while readers look up their values without a lock.
#include "rcu_cache.h"

#include <atomic>
#include <thread>

constexpr unsigned long kKeys = 200;

static void serve(const RcuCache& cache, const std::atomic<bool>& over) {
  urcu_memb_register_thread();
  for (unsigned long key = 0; !over; key = (key + 1) % kKeys) {
    urcu_memb_read_lock();
    const Value* const value = cache.find(key);
    for (int i = 0; value && i < 64; ++i)
      if (value->copies[i] != key) std::abort();
    urcu_memb_read_unlock();
  }
  urcu_memb_unregister_thread();
}

int main() {
  urcu_memb_register_thread();
  RcuCache cache;
  std::atomic<bool> over{false};
  std::thread reader([&] { serve(cache, over); });
  for (int round = 0; round < 20; ++round) {
    tenure::Tenant customer = tenure::Tenant::create("customer");
    customer.set_limit(TENURE_MAX, 16 << 20);
    for (unsigned long i = 0; i < 20 * kKeys; ++i)
      if (!cache.store(customer, i % kKeys)) return 1;
    // Returns at once, although its values are in the table. The root pays for them now.
    customer.offline();
    for (unsigned long key = 0; key < kKeys; ++key) cache.drop(key);
  }
  over = true;
  reader.join();
  tenure_rcu_barrier();
  urcu_memb_unregister_thread();
  return tenure_reap() == 0 && tenure_validate() == 0 ? 0 : 1;
}
