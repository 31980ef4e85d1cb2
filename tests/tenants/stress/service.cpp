// Adders, removers, touchers, walkers, shrinkers, reclaim and offline at once: no object is lost, on
// two lists, or freed twice, and everything charged comes back.

#include "tests/tenants/stress/service.h"

#include <malloc.h>
#include <sched.h>

#include "tests/blackbox/support/clock.h"
#include "tests/tenants/stress/scenario.h"
#include "tests/tenants/stress/threads.h"

namespace blackbox {

Service::Service() {
  REQUIRE(tenure_lru_create(&lru_) == 0, "no LRU");
  shrinker_ = make_shrinker(2);
  REQUIRE(tenure_lru_set_shrinker(lru_, shrinker_) == 0, "not tied");
}

Service::~Service() {
  REQUIRE(live_ == 0, "%zu objects live", live());
  const int error = tenure_lru_destroy(lru_);
  REQUIRE(error == 0, "destroying the LRU: %d", error);
}

tenure_shrinker* Service::make_shrinker(unsigned cost) {
  tenure_shrinker* shrinker = nullptr;
  const int error = tenure_shrinker_register("service", count_of, scan_of, cost, this, &shrinker);
  REQUIRE(error == 0, "registering a shrinker: %d", error);
  return shrinker;
}

void Service::lend_shrinker() {
  tenure_shrinker* passing = make_shrinker(4);
  sched_yield();
  const int error = tenure_shrinker_unregister(passing);
  REQUIRE(error == 0, "unregistering a shrinker: %d", error);
}

void Service::release(Object* object) {
  free_parcel(object->parcel);
  object->entry = nullptr;
  free(object);
  live_.fetch_sub(1, std::memory_order_relaxed);
}

// Both halves are the tenant's: small objects, and a large one now and then.
void Service::add(Random& random, tenure_tenant* tenant) {
  auto* object = static_cast<Object*>(tenure_calloc(tenant, 1, sizeof(Object)));
  const size_t size = sizeof(Parcel) + random.size(random.one_in(50) ? 200 * kKiB : 6000);
  void* memory = object == nullptr ? nullptr : tenure_malloc(tenant, size);
  if (memory == nullptr) {
    free(object);
    return;
  }
  object->parcel = seal_parcel(memory, size, random.next());
  Entry& entry = any_entry(random);
  object->entry = &entry;
  live_.fetch_add(1, std::memory_order_relaxed);
  const std::unique_lock guard(entry.lock);
  if (entry.object != nullptr) return release(object);
  const int error = tenure_lru_add_for(lru_, tenant, &object->item);
  REQUIRE(error == 0, "adding to the LRU: %d", error);
  REQUIRE(tenure_lru_add_for(lru_, tenant, &object->item) == -EEXIST, "added twice");
  entry.object = object;
}

void Service::take_out(Entry& entry) {
  const std::lock_guard guard(entry.lock);
  Object* object = std::exchange(entry.object, nullptr);
  if (object == nullptr) return;
  const int removed = tenure_lru_remove(&object->item);
  REQUIRE(removed == 1 || removed == -EBUSY, "removing from the LRU: %d", removed);
  if (removed == 1) return release(object);
  object->left_to_the_walk = true;
  left_.fetch_add(1, std::memory_order_relaxed);
}

void Service::touch(Random& random) {
  Entry& entry = any_entry(random);
  const std::lock_guard guard(entry.lock);
  if (entry.object == nullptr) return;
  check_parcel(entry.object->parcel);
  tenure_lru_touch(&entry.object->item);
}

tenure_lru_verdict Service::show(Object& object, uint64_t dice) {
  Entry& entry = *object.entry;
  if (!entry.lock.try_lock()) return TENURE_LRU_SKIP;
  const std::lock_guard guard(entry.lock, std::adopt_lock);
  check_parcel(object.parcel);
  if (!object.left_to_the_walk) {
    constexpr tenure_lru_verdict kOthers[] = {TENURE_LRU_ROTATE, TENURE_LRU_SKIP, TENURE_LRU_RETRY,
                                              TENURE_LRU_STOP};
    if (dice % 8 < 4) return kOthers[dice % 8];
    REQUIRE(entry.object == &object, "an object that is not in the table");
    entry.object = nullptr;
    if (dice % 8 < 5)
      REQUIRE(tenure_lru_isolate(&object.item) == 0, "it is in the callback's hands");
  }
  evicted_.fetch_add(1, std::memory_order_relaxed);
  release(&object);
  return TENURE_LRU_REMOVED;
}

tenure_lru_verdict Service::show_item(tenure_lru_item* item, void* self) {
  static std::atomic<uint64_t> calls{0};
  const uint64_t dice = mix(calls.fetch_add(1, std::memory_order_relaxed));
  return static_cast<Service*>(self)->show(*reinterpret_cast<Object*>(item), dice);
}
size_t Service::count_of(tenure_tenant* tenant, void* self) {
  return tenure_lru_count(static_cast<Service*>(self)->lru_, tenant);
}
size_t Service::scan_of(tenure_tenant* tenant, size_t most, void* self) {
  return tenure_lru_walk(static_cast<Service*>(self)->lru_, tenant, show_item, self, most);
}

void Service::walk(Random& random, tenure_tenant* tenant) {
  scan_of(tenant, random.below(12), this);
}

void Service::require_whole() {
  REQUIRE(tenure_shrinker_unregister(shrinker_) == 0, "not unregistered");
  struct Seen {
    Service* service;
    size_t listed = 0;
    std::set<const void*> items;
  } seen{this, 0, {}};
  const auto look = [](tenure_tenant* tenant, void* argument) {
    auto* all = static_cast<Seen*>(argument);
    all->listed += tenure_lru_count(all->service->lru_, tenant);
    const auto note = [](tenure_lru_item* item, void* items) {
      static_cast<std::set<const void*>*>(items)->insert(item);
      return TENURE_LRU_SKIP;
    };
    tenure_lru_walk(all->service->lru_, tenant, note, &all->items, SIZE_MAX);
    return 0;
  };
  tenure_tenant_for_each(tenure_root(), look, &seen);
  REQUIRE(seen.listed == live_, "%zu objects live, lists count %zu", live(), seen.listed);
  REQUIRE(seen.items.size() == live_, "%zu objects live, %zu are on lists", live(),
          seen.items.size());
  size_t found = 0;
  for (const Entry& entry : entries_) {
    if (entry.object == nullptr) continue;
    REQUIRE(seen.items.contains(&entry.object->item), "an object of the table is on no list");
    ++found;
  }
  REQUIRE(found <= live_, "%zu in the table, %zu live", found, live());
}

void Service::clear() {
  for (Entry& entry : entries_) take_out(entry);
  // What was left to a walk that could not lock the entry waits for the next one.
  const auto empty = [](tenure_tenant* tenant, void* self) {
    const auto free_item = [](tenure_lru_item* item, void* service) {
      auto* object = reinterpret_cast<Object*>(item);
      REQUIRE(object->left_to_the_walk, "an object that is not in the table");
      static_cast<Service*>(service)->release(object);
      return TENURE_LRU_REMOVED;
    };
    tenure_lru_walk(static_cast<Service*>(self)->lru_, tenant, free_item, self, SIZE_MAX);
    return 0;
  };
  tenure_tenant_for_each(tenure_root(), empty, this);
}

namespace {

constexpr size_t kLeaves = 6, kMax = 1200 * kKiB;

struct Tree {
  Tenant top, outer{"outer", top};
  TenantSlot leaves[kLeaves];
  std::atomic<unsigned> made{0};

  explicit Tree(const char* name) : top(name) {
    top.policy(TENURE_FAIL_ALL);
    top.limit(TENURE_MAX, kMax);
    outer.limit(TENURE_LOW, kMax / 4);
    Random random(1);
    for (size_t i = 0; i < kLeaves; ++i) replace(random);
  }
  // Takes one away while others are inside; or a new one, with its parent, in a moment.
  void replace(Random& random) {
    const std::string name = "leaf" + std::to_string(made.fetch_add(1));
    Tenant leaf(name, random.one_in(2) ? outer : top);
    if (random.one_in(3)) leaf.limit(TENURE_MAX, kMax / 2);
    if (random.one_in(4)) leaf.limit(TENURE_LOW, kMax / 8);
    TenantSlot& slot = leaves[random.below(kLeaves)];
    Tenant old;
    if (random.one_in(3)) {
      old = slot.put(Tenant("below", leaf));
      for (int i = 0; i < 20; ++i) sched_yield();
      leaf.offline(TENURE_RECURSIVE);
    } else {
      old = slot.put(std::move(leaf));
    }
    if (old != nullptr && tenure_tenant_online(old) == 0) old.close();
    if (random.one_in(8)) tenure_reap();
  }
  tenure_tenant* any(Random& random, const Borrowed& leaf) {
    return random.one_in(8) ? static_cast<tenure_tenant*>(outer) : leaf;
  }
};

void populate(Threads& threads, Tree& tree, Service& service) {
  for (int i = 0; i < 3; ++i)
    threads.add([&](Random& random) {
      const Borrowed leaf(tree.leaves[random.below(kLeaves)]);
      if (leaf == tenure_root()) return;
      for (int step = 0; step < 32; ++step) {
        switch (random.below(8)) {
        case 0:
          service.remove(random);
          break;
        case 1:
        case 2:
          service.touch(random);
          break;
        default:
          service.add(random, tree.any(random, leaf));
        }
      }
    });
  for (int i = 0; i < 2; ++i)
    threads.add([&](Random& random) {
      const Borrowed leaf(tree.leaves[random.below(kLeaves)]);
      service.walk(random, tree.any(random, leaf));
      if (random.one_in(64)) tenure_reclaim(tree.top, random.below(kMax / 4));
      if (random.one_in(64)) malloc_trim(0);
      sleep_seconds(0.0001);
    });
  threads.add([&](Random& random) { tree.replace(random); });
  threads.add([&](Random&) { service.lend_shrinker(); });
  threads.add([&](Random&) {
    const TenantStats stats = tree.top.stats();
    REQUIRE(stats.usage <= kMax && stats.peak <= kMax, "usage %zu, peak %zu", stats.usage,
            stats.peak);
    sched_yield();
  });
}

void serve(const char* name, double seconds) {
  Tree tree(name);
  {
    Service service;
    {
      Threads threads;
      populate(threads, tree, service);
      sleep_seconds(seconds);
    }
    service.require_whole();
    dprintf(STDOUT_FILENO,
            "%zu live, %zu evicted, %zu left to walks, %u tenants, %zu times at max\n",
            service.live(), service.evicted(), service.left(), tree.made.load(),
            tree.top.events(TENURE_EVENT_MAX));
    REQUIRE(service.evicted() > 0 && tree.top.events(TENURE_EVENT_MAX) > 0, "nothing was tested");
    service.clear();
  }
  const size_t left = tree.top.settled();
  REQUIRE(left == 0, "%zu bytes are charged with nothing allocated", left);
}

}  // namespace

void run_service(double seconds) { serve("service", seconds); }

// A child of a busy process has no shrinkers, and its parent's LRU is not its to use. One of its own
// is as good as any.
void run_service_in_child(double seconds) {
  Tree tree("busy");
  Service service;
  Threads threads;
  populate(threads, tree, service);
  for (int i = 0; i < 4; ++i) in_child([&] { serve("child", seconds / 4); });
  threads.stop();
  service.require_whole();
  service.clear();
}

}  // namespace blackbox
