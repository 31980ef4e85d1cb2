#pragma once

#include <mutex>
#include <set>

#include "tests/blackbox/support/parcel.h"
#include "tests/tenants/stress/forest.h"

namespace blackbox {

// A service's cache of objects: a table in which it finds them, an LRU on which they hang, a
// shrinker that lets them go. Objects are sealed parcels, so one that is freed twice, or handed out
// while it is in use, shows.
class Service {
public:
  Service();
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Steps of the threads.
  void add(Random& random, tenure_tenant* tenant);
  void remove(Random& random) { take_out(any_entry(random)); }
  void touch(Random& random);
  void walk(Random& random, tenure_tenant* tenant);
  // A shrinker of the same objects, for a moment.
  void lend_shrinker();

  // With all threads gone: every object is on one list, and the counts say so.
  void require_whole();
  // Afterwards nothing is left of it.
  void clear();

  size_t live() const { return live_; }
  size_t evicted() const { return evicted_; }
  size_t left() const { return left_; }

private:
  struct Entry;
  struct Object {
    tenure_lru_item item;
    Entry* entry;
    Parcel* parcel;
    bool left_to_the_walk;
  };
  // Its lock protects its object, which is on the LRU as long as it is here.
  struct Entry {
    std::mutex lock;
    Object* object = nullptr;
  };

  Entry& any_entry(Random& random) { return entries_[random.below(kEntries)]; }
  void take_out(Entry& entry);
  void release(Object* object);
  tenure_lru_verdict show(Object& object, uint64_t dice);
  static tenure_lru_verdict show_item(tenure_lru_item* item, void* self);
  static size_t count_of(tenure_tenant* tenant, void* self);
  static size_t scan_of(tenure_tenant* tenant, size_t most, void* self);
  tenure_shrinker* make_shrinker(unsigned cost);

  static constexpr size_t kEntries = 3000;
  tenure_lru* lru_ = nullptr;
  tenure_shrinker* shrinker_ = nullptr;
  Entry entries_[kEntries];
  std::atomic<size_t> live_{0}, evicted_{0}, left_{0};
};

}  // namespace blackbox
