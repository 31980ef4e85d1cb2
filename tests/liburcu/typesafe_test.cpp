// Type-safe caches: memory stays of its type while a reader may look, goes back afterwards, and the cache's end waits for that.
#include "flavor.h"

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr uint64_t kMark = 0x7479706573616665ULL;

// Most of a slab, so that a few objects are many slabs.
struct Object {
  uint64_t mark;  // Set once, by the constructor
  uint64_t key;
  char rest[8000];
};

void construct(void* memory) {
  static_cast<Object*>(memory)->mark = kMark;
  static_cast<Object*>(memory)->key = 0;
}

struct tenure_cache_stats stats_of(struct tenure_cache* cache) {
  struct tenure_cache_stats stats = {};
  stats.struct_size = sizeof stats;
  CHECK(tenure_cache_stats(cache, &stats) == 0);
  return stats;
}

struct tenure_cache* make_cache(void (*constructor)(void*)) {
  struct tenure_cache* cache = nullptr;
  CHECK(tenure_cache_create_rcu("objects", sizeof(Object), 0, TENURE_TYPESAFE_BY_RCU, constructor,
                                &cache) == 0);
  return cache;
}

std::vector<Object*> allocate(struct tenure_cache* cache, struct tenure_tenant* tenant, int count) {
  std::vector<Object*> objects;
  for (int i = 0; i < count; ++i) {
    auto* const object = static_cast<Object*>(tenure_cache_alloc_for(cache, tenant));
    CHECK(object && object->mark == kMark);
    object->key = static_cast<uint64_t>(i) + 1;
    objects.push_back(object);
  }
  return objects;
}

void free_all(struct tenure_cache* cache, const std::vector<Object*>& objects) {
  for (Object* const object : objects) tenure_cache_free(cache, object);
}

void enter_reading() {
#if defined(FLAVOR_qsbr)
  rcu_quiescent_state();
#endif
  rcu_read_lock();
}

void leave_reading() {
  rcu_read_unlock();
#if defined(FLAVOR_qsbr)
  rcu_quiescent_state();
#endif
}

// Waits as a thread may that does not read.
void wait_for_grace_periods() {
#if defined(FLAVOR_qsbr)
  rcu_thread_offline();
#endif
  for (int i = 0; i < 3; ++i) rcu_barrier();
#if defined(FLAVOR_qsbr)
  rcu_thread_online();
#endif
}

// Takes as much memory of other kinds as was given back, and writes to it.
void take_and_overwrite(size_t bytes) {
  std::vector<void*> taken;
  for (size_t got = 0; got < bytes; got += 8192) {
    void* const block = malloc(8192);
    CHECK(block);
    std::memset(block, 0xee, 8192);
    taken.push_back(block);
  }
  for (size_t got = 0; got < bytes; got += 1 << 20) {
    void* const block = malloc(1 << 20);
    CHECK(block);
    std::memset(block, 0xdd, 1 << 20);
    taken.push_back(block);
  }
  malloc_trim(0);
  for (void* const block : taken) free(block);
}

// Objects that are all freed inside a reader's section: what the reader holds stays readable, marked, and is not handed to others.
void test_memory_keeps_its_type(struct tenure_tenant* tenant) {
  constexpr int kObjects = 500;
  struct tenure_cache* const cache = make_cache(construct);
  enter_reading();
  const std::vector<Object*> objects = allocate(cache, tenant, kObjects);
  free_all(cache, objects);
  CHECK(tenure_cache_shrink(cache) > 0);
  take_and_overwrite(kObjects * sizeof(Object));
  for (const Object* const object : objects) {
    CHECK(object->mark == kMark);
    CHECK(object->key != 0);  // The links lie elsewhere.
  }
  const struct tenure_cache_stats during = stats_of(cache);
  CHECK(during.live == 0 && during.slabs == 0);
  CHECK(during.waiting_bytes >= kObjects * sizeof(Object));
  CHECK(tenure_validate() == 0);
  leave_reading();
  wait_for_grace_periods();
  CHECK(stats_of(cache).waiting_bytes == 0);
  CHECK(tenure_cache_destroy(cache, nullptr) == 0);
}

// The cache takes slabs that wait before new memory, with their objects constructed once.
void test_takes_what_waits(struct tenure_tenant* tenant) {
  constexpr int kObjects = 300;
  static int constructed = 0;
  struct tenure_cache* const cache = make_cache([](void* memory) {
    construct(memory);
    ++constructed;
  });
  enter_reading();
  free_all(cache, allocate(cache, tenant, kObjects));
  tenure_cache_shrink(cache);
  // One batch waits for its grace period, which the reader holds up; what comes later may be taken.
  size_t most = 0;
  for (int round = 0; round < 20; ++round) {
    free_all(cache, allocate(cache, tenant, kObjects));
    tenure_cache_shrink(cache);
    const struct tenure_cache_stats now = stats_of(cache);
    if (now.waiting_bytes > most) most = now.waiting_bytes;
  }
  CHECK(most < 3 * kObjects * sizeof(Object));
  CHECK(constructed < 3 * kObjects);
  leave_reading();
#if defined(FLAVOR_qsbr)
  rcu_thread_offline();
#endif
  CHECK(tenure_cache_destroy(cache, nullptr) == 0);
#if defined(FLAVOR_qsbr)
  rcu_thread_online();
#endif
}

// An isolated tenant pays until the memory has gone back, also when it has gone itself.
void test_owner_pays_while_it_waits() {
  struct tenure_tenant *parent = nullptr, *tenant = nullptr;
  CHECK(tenure_tenant_create(nullptr, "parent", TENURE_ISOLATED, &parent) == 0);
  CHECK(tenure_tenant_create(parent, "isolated", TENURE_ISOLATED, &tenant) == 0);
  struct tenure_cache* const cache = make_cache(construct);
  const auto usage = [](struct tenure_tenant* of) {
    struct tenure_tenant_stats stats = {};
    stats.struct_size = sizeof stats;
    CHECK(tenure_tenant_stats(of, &stats) == 0);
    return stats.usage;
  };
  enter_reading();
  const std::vector<Object*> objects = allocate(cache, tenant, 100);
  free_all(cache, objects);
  tenure_cache_shrink(cache);
  CHECK(usage(tenant) >= 100 * sizeof(Object));
  CHECK(tenure_tenant_offline(tenant, 0) == 0);
  tenure_reap();
  CHECK(usage(parent) >= 100 * sizeof(Object));
  for (const Object* const object : objects) CHECK(object->mark == kMark && object->key != 0);
  leave_reading();
  wait_for_grace_periods();
  CHECK(usage(parent) == 0);
  CHECK(tenure_cache_destroy(cache, nullptr) == 0);
  tenure_tenant_close(tenant);
  CHECK(tenure_tenant_offline(parent, 0) == 0);
  tenure_tenant_close(parent);
}

// Destroy waits for the reader of another thread.
void test_destroy_waits(struct tenure_tenant* tenant) {
  struct tenure_cache* const cache = make_cache(nullptr);
  auto* const object = static_cast<Object*>(tenure_cache_alloc_for(cache, tenant));
  CHECK(object);
  object->mark = kMark;
  std::atomic<int> step{0};
  std::atomic<bool> destroyed{false};
  std::thread reader([&] {
    const Registered registered;
    enter_reading();
    step = 1;
    while (step != 2) std::this_thread::yield();
    // Freed, and the destroyer is on its way.
    for (int i = 0; i < 2000; ++i) {
      CHECK(object->mark == kMark && !destroyed);
      std::this_thread::yield();
    }
    leave_reading();
  });
#if defined(FLAVOR_qsbr)
  rcu_thread_offline();
#endif
  while (step != 1) std::this_thread::yield();
#if defined(FLAVOR_qsbr)
  rcu_thread_online();
#endif
  size_t live = 7;
  CHECK(tenure_cache_destroy(cache, &live) == -EBUSY && live == 1);
  tenure_cache_free(cache, object);
  step = 2;
#if defined(FLAVOR_qsbr)
  rcu_thread_offline();
#endif
  CHECK(tenure_cache_destroy(cache, &live) == 0 && live == 0);
  destroyed = true;
  reader.join();
#if defined(FLAVOR_qsbr)
  rcu_thread_online();
#endif
}

// Lists are drained and slabs become empty without a call of the cache's functions: the helper waits for readers by itself.
void test_helper_returns_what_is_idle(struct tenure_tenant* tenant) {
  struct tenure_cache* const cache = make_cache(construct);
  free_all(cache, allocate(cache, tenant, 200));
#if defined(FLAVOR_qsbr)
  rcu_thread_offline();
#endif
  for (;;) {
    const struct tenure_cache_stats now = stats_of(cache);
    if (now.slab_bytes == 0 && now.waiting_bytes == 0) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(tenure_cache_destroy(cache, nullptr) == 0);
#if defined(FLAVOR_qsbr)
  rcu_thread_online();
#endif
}

void test_arguments() {
  struct tenure_cache* cache = nullptr;
  CHECK(tenure_cache_create("x", 100, 0, TENURE_TYPESAFE_BY_RCU, nullptr, &cache) == -EINVAL);
  CHECK(tenure_cache_create_typesafe("x", 100, 0, TENURE_TYPESAFE_BY_RCU, nullptr, nullptr,
                                     &cache) == -EINVAL);
  CHECK(tenure_cache_create_rcu("x", 100, 0, 2, nullptr, &cache) == -EINVAL);
  CHECK(tenure_cache_create_rcu("x", 100, 0, 0, nullptr, &cache) == 0);
  CHECK(tenure_cache_destroy(cache, nullptr) == 0);
}

}  // namespace

int main() {
  const Registered registered;
  test_arguments();
  struct tenure_tenant* tenant = nullptr;
  CHECK(tenure_tenant_create(nullptr, "owner", 0, &tenant) == 0);
  for (struct tenure_tenant* const owner : {tenure_root(), tenant}) {
    test_memory_keeps_its_type(owner);
    test_takes_what_waits(owner);
    test_destroy_waits(owner);
    test_helper_returns_what_is_idle(owner);
  }
  test_owner_pays_while_it_waits();
  CHECK(tenure_tenant_offline(tenant, 0) == 0);
  tenure_tenant_close(tenant);
  CHECK(tenure_validate() == 0);
  return 0;
}
