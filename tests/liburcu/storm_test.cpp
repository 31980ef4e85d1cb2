// Readers, writers and forks at once. Writers replace what a table points to and free the old by tenure_free_rcu(), from several tenants;
// readers look whether they can still read. Meanwhile one thread forks, and each child frees, waits for what was under way, and ends.
// With mallocs that lock, a child or the callbacks of call_rcu() can hang here.
#include "flavor.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <shared_mutex>
#include <thread>
#include <vector>

namespace {

constexpr uint64_t kAlive = 0x616c697665216f6bULL;
constexpr int kTenants = 3;

struct Object {
  uint64_t alive;
  uint64_t number;
};

std::atomic<Object*> table[64];
struct tenure_tenant* tenants[kTenants];
std::atomic<bool> over{false};
std::atomic<uint64_t> reads{0}, writes{0};

// Of the flavours that must not have registered threads at a fork: shared by threads while they are registered, the forker's alone
// while it forks. With bp, which drops threads in the child, forks come at any time.
#if defined(FLAVOR_bp)
class AnyTime {
public:
  void lock() {}
  void unlock() {}
  void lock_shared() {}
  void unlock_shared() {}
};
AnyTime registration;
#else
std::shared_mutex registration;
#endif

std::atomic<bool> forking{
    false};  // Asks threads to let go of it: the mutex by itself favours them.

void pause_for_forks() {
#if !defined(FLAVOR_bp)
  if (!forking.load(std::memory_order_relaxed)) return;
  rcu_unregister_thread();
  registration.unlock_shared();
  while (forking.load(std::memory_order_relaxed)) std::this_thread::yield();
  registration.lock_shared();
  rcu_register_thread();
#endif
}

class Worker {
public:
  Worker() {
    registration.lock_shared();
    rcu_register_thread();
  }
  ~Worker() {
    rcu_unregister_thread();
    registration.unlock_shared();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
};

void quiescent() {
#if defined(FLAVOR_qsbr)
  rcu_quiescent_state();
#endif
}

// call_rcu_before_fork() waits for a worker that may wait for a grace period: the forking thread must not hold that up.
void leave_grace_periods() {
#if defined(FLAVOR_qsbr)
  rcu_thread_offline();
#endif
}
void join_grace_periods() {
#if defined(FLAVOR_qsbr)
  rcu_thread_online();
#endif
}

void replace(unsigned& random) {
  random = random * 1664525u + 1013904223u;
  const size_t size = sizeof(Object) + (random >> 8) % 300;
  auto* const object = static_cast<Object*>(tenure_malloc(tenants[random >> 28 & 1], size));
  CHECK(object);
  object->number = random;
  object->alive = kAlive;
  Object* const old = table[random >> 16 & 63].exchange(object, std::memory_order_acq_rel);
  if (old) CHECK(((random & 1) ? tenure_free_rcu(old) : tenure_free_rcu_nowait(old)) == 0);
}

void keep_writing(unsigned seed) {
  const Worker worker;
  while (!over.load(std::memory_order_relaxed)) {
    replace(seed);
    if ((seed >> 9 & 63) == 0) tenure_rcu_throttle();
    quiescent();
    writes.fetch_add(1, std::memory_order_relaxed);
    pause_for_forks();
  }
}

void keep_reading(unsigned seed) {
  const Worker worker;
  while (!over.load(std::memory_order_relaxed)) {
    seed = seed * 1664525u + 1013904223u;
    rcu_read_lock();
    const Object* const object = table[seed >> 16 & 63].load(std::memory_order_acquire);
    for (int i = 0; object && i < 20; ++i) {
      CHECK(__atomic_load_n(&object->alive, __ATOMIC_RELAXED) == kAlive);
      if (i == 10 && (seed >> 24 & 15) == 0) std::this_thread::yield();
    }
    rcu_read_unlock();
    quiescent();
    reads.fetch_add(1, std::memory_order_relaxed);
    pause_for_forks();
  }
}

// The table of the child is its own.
void be_a_child() {
  unsigned seed = static_cast<unsigned>(getpid());
  for (int i = 0; i < 1'500; ++i) {
    replace(seed);
    quiescent();
  }
  tenure_rcu_barrier();
  _exit(0);
}

void fork_once() {
  forking = true;
  registration.lock();
  rcu_register_thread();
  leave_grace_periods();
  const pid_t child = fork();
  join_grace_periods();
  CHECK(child >= 0);
  if (child == 0) be_a_child();
  rcu_unregister_thread();
  registration.unlock();
  forking = false;
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

}  // namespace

int main() {
  install_fork_handlers();
  for (int i = 0; i < kTenants; ++i) {
    const char name[] = {static_cast<char>('a' + i), 0};
    CHECK(tenure_tenant_create(nullptr, name, 0, &tenants[i]) == 0);
  }
  tenure_rcu_set_backlog(256 << 10);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 2; ++i) threads.emplace_back(keep_writing, i);
  for (unsigned i = 0; i < 2; ++i) threads.emplace_back(keep_reading, i + 77);
  const char* const scale = std::getenv("TENURE_TEST_SCALE");
  const int forks = 12 * (scale ? std::atoi(scale) : 1);
  for (int i = 0; i < forks; ++i) fork_once();
  while (writes < 20'000 || reads < 20'000) std::this_thread::yield();
  over = true;
  for (std::thread& thread : threads) thread.join();
  {
    const Worker worker;
    for (auto& entry : table)
      if (Object* const object = entry.exchange(nullptr)) CHECK(tenure_free_rcu(object) == 0);
    tenure_rcu_barrier();
  }
  for (struct tenure_tenant* const tenant : tenants) {
    struct tenure_tenant_stats stats = {};
    stats.struct_size = sizeof stats;
    CHECK(tenure_tenant_stats(tenant, &stats) == 0 && stats.usage == 0);
    CHECK(tenure_tenant_offline(tenant, 0) == 0);
    tenure_tenant_close(tenant);
  }
  CHECK(tenure_validate() == 0);
  return 0;
}
