#pragma once

#include <string>
#include <utility>

#include "tests/blackbox/support/check.h"

namespace blackbox {

inline constexpr size_t kKiB = 1024, kMiB = 1024 * kKiB;

// The function of that name hides the struct.
using TenantStats = struct tenure_tenant_stats;
using CacheStats = struct tenure_cache_stats;

inline TenantStats stats_of(tenure_tenant* tenant) {
  TenantStats stats = {};
  stats.struct_size = sizeof stats;
  const int error = tenure_tenant_stats(tenant, &stats);
  REQUIRE(error == 0, "tenure_tenant_stats: %d", error);
  return stats;
}

inline size_t usage_of(tenure_tenant* tenant) { return stats_of(tenant).usage; }

// Gives back what the tenant and those below it cache, until nothing comes any more: what is left
// is charged for objects in use.
inline size_t settled_usage(tenure_tenant* tenant) {
  while (tenure_reclaim(tenant, SIZE_MAX) != 0) {
  }
  return usage_of(tenant);
}

// An owned handle. A tenant that is still online when the handle goes is taken offline, with all
// below it.
class Tenant {
public:
  Tenant() = default;
  explicit Tenant(const std::string& name, tenure_tenant* parent = tenure_root(),
                  unsigned flags = 0) {
    const int error = tenure_tenant_create(parent, name.c_str(), flags, &handle_);
    REQUIRE(error == 0, "creating %s: %d", name.c_str(), error);
  }
  // Takes over a handle that somebody has got from the library.
  static Tenant adopt(tenure_tenant* handle) {
    Tenant tenant;
    tenant.handle_ = handle;
    return tenant;
  }
  Tenant(Tenant&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Tenant& operator=(Tenant&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Tenant() {
    if (handle_ == nullptr) return;
    if (tenure_tenant_online(handle_) != 0) offline(TENURE_RECURSIVE);
    close();
  }

  // NOLINTNEXTLINE(google-explicit-constructor): a handle is what the API takes.
  operator tenure_tenant*() const { return handle_; }

  int try_offline(unsigned flags = 0) { return tenure_tenant_offline(handle_, flags); }
  void offline(unsigned flags = 0) {
    const int error = try_offline(flags);
    REQUIRE(error == 0, "taking %s offline: %d", tenure_tenant_name(handle_), error);
  }
  void close() { tenure_tenant_close(std::exchange(handle_, nullptr)); }

  TenantStats stats() const { return stats_of(handle_); }
  size_t usage() const { return usage_of(handle_); }
  size_t settled() const { return settled_usage(handle_); }
  size_t events(tenure_event event) const { return stats().events[event]; }
  void limit(tenure_limit which, size_t bytes) {
    const int error = tenure_tenant_set_limit(handle_, which, bytes);
    REQUIRE(error == 0, "setting limit %d to %zu: %d", int(which), bytes, error);
  }
  void policy(tenure_policy policy) {
    const int error = tenure_tenant_set_policy(handle_, policy);
    REQUIRE(error == 0, "setting policy %d: %d", int(policy), error);
  }

private:
  tenure_tenant* handle_ = nullptr;
};

// This thread is inside the tenant for as long as the object lives.
class Inside {
public:
  explicit Inside(tenure_tenant* tenant) : outer_(tenure_enter(tenant)) {}
  ~Inside() { tenure_leave(outer_); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

private:
  tenure_scope outer_;
};

// The tenant that is charged for the block: compared by id, since a handle is a new one each time.
inline uint32_t owner_id(const void* block) {
  tenure_tenant* owner = tenure_owner(block);
  const uint32_t id = tenure_tenant_id(owner);
  tenure_tenant_close(owner);
  return id;
}

inline std::string path_of(tenure_tenant* tenant) {
  char buffer[4096];
  const size_t length = tenure_tenant_path(tenant, buffer, sizeof buffer);
  REQUIRE(length < sizeof buffer, "a path of %zu bytes", length);
  REQUIRE(strlen(buffer) == length, "%zu bytes announced, %zu written", length, strlen(buffer));
  return {buffer, length};
}

struct DeadSum {
  size_t count = 0;
  size_t bytes = 0;
};

inline DeadSum dead_tenants() {
  DeadSum sum;
  const int result = tenure_dead_for_each(
      [](const tenure_dead* dead, void* argument) {
        auto* found = static_cast<DeadSum*>(argument);
        REQUIRE(dead->struct_size >= sizeof(tenure_dead), "%zu", dead->struct_size);
        ++found->count;
        found->bytes += dead->bytes;
        return 0;
      },
      &sum);
  REQUIRE(result == 0, "tenure_dead_for_each: %d", result);
  return sum;
}

// What every test must leave behind: no tenant but the root, nothing of those that were, their ids
// free again, a sound heap. Empty, or what is wrong.
inline std::string leftovers() {
  if (const size_t children = stats_of(tenure_root()).children; children != 0)
    return std::to_string(children) + " tenants are online";
  tenure_reclaim(tenure_root(), SIZE_MAX);
  if (const size_t left = tenure_reap(); left != 0)
    return std::to_string(left) + " departed tenants have live objects";
  // Where the system refuses memory there may be none.
  tenure_tenant* handle = nullptr;
  if (tenure_tenant_create(tenure_root(), "probe", 0, &handle) == 0) {
    const Tenant probe = Tenant::adopt(handle);
    if (const uint32_t id = tenure_tenant_id(probe); id != 1)
      return "an id is not back: the lowest free one is " + std::to_string(id);
  }
  if (const DeadSum dead = dead_tenants(); dead.count != 0)
    return std::to_string(dead.count) + " dead with " + std::to_string(dead.bytes) + " bytes";
  return tenure_validate() == 0 ? "" : "the heap is inconsistent";
}

inline void require_no_tenants() {
  const std::string complaint = leftovers();
  REQUIRE(complaint.empty(), "%s", complaint.c_str());
}

}  // namespace blackbox
