#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/blackbox/support/parcel.h"
#include "tests/tenants/support/tenant.h"

namespace blackbox {

// The place where threads find a tenant while another thread replaces it.
class TenantSlot {
public:
  // A handle of the caller's own, or none.
  Tenant get() {
    const std::lock_guard guard(mutex_);
    return Tenant::adopt(tenant_ == nullptr ? nullptr : tenure_tenant_ref(tenant_));
  }
  // Returns what was there.
  Tenant put(Tenant tenant) {
    const std::lock_guard guard(mutex_);
    std::swap(tenant_, tenant);
    return tenant;
  }

private:
  std::mutex mutex_;
  Tenant tenant_;
};

// A handle from a slot, or the root's where there is none: others take the tenant offline.
class Borrowed {
public:
  explicit Borrowed(TenantSlot& slot) : tenant_(slot.get()) {}
  ~Borrowed() { tenant_.close(); }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  // NOLINTNEXTLINE(google-explicit-constructor): a handle is what the API takes.
  operator tenure_tenant*() const {
    return static_cast<tenure_tenant*>(tenant_) == nullptr ? tenure_root() : tenant_;
  }

private:
  Tenant tenant_;
};

// Objects of one named cache that threads exchange.
class CacheTable {
public:
  CacheTable(const char* name, size_t size) : size_(size) {
    const int error = tenure_cache_create(name, size, 0, 0, nullptr, &cache_);
    REQUIRE(error == 0, "creating cache %s: %d", name, error);
  }
  ~CacheTable() {
    for (auto& slot : slots_) release(slot.exchange(nullptr));
    size_t live = 0;
    const int error = tenure_cache_destroy(cache_, &live);
    REQUIRE(error == 0, "destroying: %d, %zu live", error, live);
  }
  CacheTable(const CacheTable&) = delete;
  CacheTable& operator=(const CacheTable&) = delete;

  void replace(Random& random, tenure_tenant* tenant) {
    void* object = random.one_in(3) ? nullptr : tenure_cache_alloc_for(cache_, tenant);
    if (object != nullptr) seal_parcel(object, size_, random.next());
    release(slots_[random.below(kSlots)].exchange(object, std::memory_order_acq_rel));
  }
  // In the current tenant.
  void exchange_many(Random& random) {
    void* objects[32];
    const size_t count = 1 + random.below(32);
    if (tenure_cache_alloc_bulk(cache_, count, objects) != 0) return;
    for (size_t i = 0; i < count; ++i) {
      seal_parcel(objects[i], size_, random.next());
      objects[i] = slots_[random.below(kSlots)].exchange(objects[i], std::memory_order_acq_rel);
      if (objects[i] == nullptr) continue;
      check(objects[i]);
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i)
      if (objects[i] != nullptr) objects[kept++] = objects[i];
    tenure_cache_free_bulk(cache_, kept, objects);
  }
  void shrink() { tenure_cache_shrink(cache_); }

private:
  void check(void* object) const {
    const auto* parcel = static_cast<Parcel*>(object);
    REQUIRE(parcel->size == size_, "object %p of %zu bytes says %zu", object, size_,
            size_t(parcel->size));
    const size_t wrong = find_mismatch(parcel + 1, size_ - sizeof(Parcel), parcel->seed);
    REQUIRE(wrong == kNoMismatch, "object %p of %zu bytes changed at %zu", object, size_, wrong);
  }
  void release(void* object) {
    if (object != nullptr) check(object);
    tenure_cache_free(cache_, object);
  }

  static constexpr size_t kSlots = 512;
  const size_t size_;
  tenure_cache* cache_ = nullptr;
  std::atomic<void*> slots_[kSlots] = {};
};

// A tree whose leaves come and go, and all that lives in it: /<name> with teams, and below them
// leaves.
class Forest {
public:
  static constexpr size_t kTeams = 3, kLeaves = 16;
  static constexpr size_t kTopMax = 160 * kMiB, kReserve = 128 * kKiB;

  // How many threads are to work in it: more than there are CPUs.
  static unsigned workers() { return std::thread::hardware_concurrency() * 2 + 2; }

  explicit Forest(const std::string& name);
  // Everything is freed, every counter is at zero and nothing of its departed is left, or the test
  // fails.
  ~Forest();
  Forest(const Forest&) = delete;
  Forest& operator=(const Forest&) = delete;

  // Steps of the threads, one small piece of work each.
  void work(Random& random);
  void replace_leaf(Random& random);
  void change_limits(Random& random, size_t team);
  void watch();

private:
  tenure_tenant* any_team(Random& random) { return teams_[random.below(kTeams)]; }
  void put(Random& random, void* memory, size_t size);
  void alter(Random& random, tenure_tenant* tenant);

  const std::string name_;
  Tenant top_;
  std::vector<Tenant> teams_;
  TenantSlot leaves_[kLeaves];
  std::atomic<unsigned> made_{0};
  std::atomic<size_t> operations_{0}, refused_{0};  // for the reader of the test's output
  static constexpr size_t kParcels = 600;
  std::atomic<Parcel*> parcels_[kParcels] = {};
  std::unique_ptr<CacheTable> small_, large_;
};

}  // namespace blackbox
