// Adders, removers, touchers, walkers, reclaim and offline at once. At the end every object is on one
// list, and all that was charged has been given back.
#include <errno.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "accounting/shrinkers/lru.h"
#include "accounting/shrinkers/shrink.h"
#include "accounting/shrinkers/shrinker.h"
#include "tests/accounting/tree_fixture.h"

namespace tenure {
namespace {

using Clock = std::chrono::steady_clock;

// TENURE_TEST_SCALE lengthens the run.
std::chrono::milliseconds scaled(int milliseconds) {
  const char* scale = getenv("TENURE_TEST_SCALE");
  const double factor = scale ? atof(scale) : 1;
  return std::chrono::milliseconds(static_cast<int>(milliseconds * (factor > 0 ? factor : 1)));
}

constexpr uint64_t kBytes = 100;
constexpr size_t kEntries = 500;

struct Object;

// The service's table: an entry's lock protects its object, which is on the LRU as long as it is
// here.
struct Entry {
  std::mutex lock;
  Object* object = nullptr;
};

struct Object {
  LruItem item;
  Entry* entry;
  AccountingContext* context;
  bool left_to_the_walk = false;
};

struct Service {
  Lru* lru = nullptr;
  Shrinker* shrinker = nullptr;
  Entry entries[kEntries];
  std::atomic<long> live{0}, evicted{0}, left{0}, wrong{0};

  void free_object(Object* object) {
    uncharge(*object->context, kBytes);
    delete object;
    live.fetch_sub(1, std::memory_order_relaxed);
  }

  void add(Entry& entry, Tenant& tenant) {
    AccountingContext* context = charge(tenant, kBytes, RequestKind::kLarge);
    if (context == nullptr) return;
    const std::lock_guard guard(entry.lock);
    if (entry.object) {
      uncharge(*context, kBytes);
      return;
    }
    auto* object = new Object{{}, &entry, context};
    live.fetch_add(1, std::memory_order_relaxed);
    wrong += lru_add(*lru, tenant, object->item) != 0;
    entry.object = object;
  }

  void remove(Entry& entry) {
    const std::lock_guard guard(entry.lock);
    Object* object = entry.object;
    if (object == nullptr) return;
    entry.object = nullptr;
    switch (lru_remove(object->item)) {
    case 1:
      free_object(object);
      break;
    case -EBUSY:
      object->left_to_the_walk = true;
      ++left;
      break;
    default:
      ++wrong;
    }
  }

  void touch(Entry& entry) {
    const std::lock_guard guard(entry.lock);
    if (entry.object) lru_touch(entry.object->item);
  }

  LruVerdict show(Object& object, unsigned chance) {
    Entry& entry = *object.entry;
    if (!entry.lock.try_lock()) return LruVerdict::kSkip;
    const std::lock_guard guard(entry.lock, std::adopt_lock);
    if (!object.left_to_the_walk) {
      constexpr LruVerdict kOthers[] = {LruVerdict::kRotate, LruVerdict::kSkip, LruVerdict::kRetry};
      if (chance % 4 != 3) return kOthers[chance % 4];
      wrong += entry.object != &object;
      entry.object = nullptr;
    }
    ++evicted;
    free_object(&object);
    return LruVerdict::kRemoved;
  }

  static LruVerdict show_item(LruItem* item, void* argument) {
    static thread_local std::minstd_rand random{std::random_device{}()};
    auto& service = *static_cast<Service*>(argument);
    return service.show(*reinterpret_cast<Object*>(item), static_cast<unsigned>(random() >> 8));
  }
  static size_t count(Tenant* tenant, void* argument) {
    return lru_count(*static_cast<Service*>(argument)->lru, tenant ? *tenant : root_tenant);
  }
  static size_t scan(Tenant* tenant, size_t most, void* argument) {
    auto& service = *static_cast<Service*>(argument);
    return lru_walk(*service.lru, tenant ? *tenant : root_tenant, show_item, argument, most);
  }
};

// With one list a tenant, and with several between which threads change at random.
class LruStressTest : public TreeTest, public testing::WithParamInterface<uint32_t> {
protected:
  static constexpr size_t kTenants = 6;

  void SetUp() override {
    TreeTest::SetUp();
    OfflineHooks offline;
    offline.drain_lrus = drain_lrus;
    register_offline_hooks(offline);
    ReclaimHooks hooks;
    hooks.shrink = shrink_subtree;
    register_reclaim_hooks(hooks);
  }

  // One of the tenants of the moment, pinned.
  Tenant* some_tenant(size_t which) {
    grace::ReadSection section;
    Tenant* tenant = tenants[which % kTenants].load(std::memory_order_acquire);
    return tenant && tenant->pin() ? tenant : nullptr;
  }

  // Creates and takes away, a child at a time or with its parent.
  void churn(Tenant& top, const std::atomic<bool>& stop) {
    std::minstd_rand random(7);
    while (!stop) {
      Tenant *outer = nullptr, *inner = nullptr;
      if (create_tenant(top, "outer", &outer) != 0) continue;
      if (create_tenant(*outer, "inner", &inner) != 0) __builtin_trap();
      const size_t a = random() % kTenants, b = random() % kTenants;
      Tenant* const before_a = tenants[a].exchange(outer);
      Tenant* const before_b = tenants[b].exchange(inner);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
      offline_tenant(*outer, kOfflineRecursive);
      Tenant* expected = outer;
      tenants[a].compare_exchange_strong(expected, before_a == outer ? nullptr : before_a);
      tenants[b].store(b == a ? before_a : before_b);
      grace::synchronize();  // Who saw them has pinned them.
      inner->unpin();
      outer->unpin();
    }
  }

  std::atomic<Tenant*> tenants[kTenants] = {};
};

uint32_t some_node() {
  static thread_local std::minstd_rand random{std::random_device{}()};
  return static_cast<uint32_t>(random() >> 8);
}

INSTANTIATE_TEST_SUITE_P(Nodes, LruStressTest, testing::Values(1, 3));

TEST_P(LruStressTest, EverythingAtOnce) {
  Tenant& top = make(root_tenant, "top");
  top.set_max(kEntries * kBytes / 2);
  top.set_policy(Policy::kFailAll);
  for (size_t i = 0; i < kTenants; ++i) tenants[i] = &make(top, std::to_string(i).c_str());
  auto service = std::make_unique<Service>();
  service->lru = Lru::create({GetParam(), some_node});
  ASSERT_EQ(register_shrinker("stress", Service::count, Service::scan, 2, service.get(),
                              &service->shrinker),
            0);
  tie_lru(*service->lru, service->shrinker);

  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand random(t + 1);
      while (!stop) {
        Entry& entry = service->entries[random() % kEntries];
        switch (random() % 8) {
        case 0:
          service->remove(entry);
          break;
        case 1:
        case 2:
          service->touch(entry);
          break;
        default:
          if (Tenant* tenant = some_tenant(random())) {
            service->add(entry, *tenant);
            tenant->unpin();
          }
        }
      }
    });
  }
  for (unsigned t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand random(t + 100);
      while (!stop) {
        Tenant* tenant = some_tenant(random());
        if (tenant == nullptr) continue;
        Tenant& seen = random() % 4 == 0 ? top : *tenant;
        lru_walk(*service->lru, seen, Service::show_item, service.get(), random() % 50);
        if (random() % 16 == 0) reclaim(top, kBytes * 10, ReclaimStage::kShrink);
        tenant->unpin();
      }
    });
  }
  threads.emplace_back([&] { churn(top, stop); });
  threads.emplace_back([&] {
    while (!stop) {  // Comes and goes while it is called.
      Shrinker* passing = nullptr;
      ASSERT_EQ(
          register_shrinker("passing", Service::count, Service::scan, 4, service.get(), &passing),
          0);
      std::this_thread::yield();
      ASSERT_EQ(unregister_shrinker(passing), 0);
    }
  });
  std::this_thread::sleep_for(scaled(1500));
  stop = true;
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(service->wrong, 0);
  EXPECT_GT(service->evicted, 0);
  EXPECT_LE(top.counter.peak(), kEntries * kBytes / 2);
  EXPECT_EQ(unregister_shrinker(service->shrinker), 0);
  EXPECT_TRUE(validate_lru(*service->lru));

  // Each object that lives is on one list, and the counts say so.
  size_t listed = 0;
  std::set<const void*> seen;
  for_each_in_subtree(root_tenant, [&](Tenant& tenant) {
    listed += lru_count(*service->lru, tenant);
    lru_walk(
        *service->lru, tenant,
        [](LruItem* item, void* argument) {
          static_cast<std::set<const void*>*>(argument)->insert(item);
          return LruVerdict::kSkip;
        },
        &seen, SIZE_MAX);
    return true;
  });
  EXPECT_EQ(listed, static_cast<size_t>(service->live));
  EXPECT_EQ(seen.size(), listed);
  for (Entry& entry : service->entries) {
    EXPECT_TRUE(entry.object == nullptr || seen.contains(&entry.object->item));
    service->remove(entry);
  }
  // What was left to a walk that could not lock the entry waits for the next one.
  for_each_in_subtree(root_tenant, [&](Tenant& tenant) {
    lru_walk(
        *service->lru, tenant,
        [](LruItem* item, void* argument) {
          static_cast<Service*>(argument)->free_object(reinterpret_cast<Object*>(item));
          return LruVerdict::kRemoved;
        },
        service.get(), SIZE_MAX);
    return true;
  });
  EXPECT_EQ(service->live, 0);
  EXPECT_EQ(top.counter.usage(), 0u);
  EXPECT_EQ(Lru::destroy(service->lru), 0);
}

}  // namespace
}  // namespace tenure
