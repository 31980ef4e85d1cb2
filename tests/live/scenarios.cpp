#include "tests/live/scenarios.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/wait.h>

#include <functional>
#include <map>
#include <thread>

#include "tests/live/region_reader.h"
#include "tests/tenants/support/tenant.h"

namespace blackbox {
namespace {

constexpr size_t kLarge = 256 * kKiB;

void* allocate_in(tenure_tenant* tenant, size_t bytes) {
  const Inside inside(tenant);
  return malloc(bytes);
}

// The words that are read are those that the library works with: equal at every moment.
void expect_slot(const RegionReader& region, tenure_tenant* tenant, const char* name) {
  const live::TenantSlot& slot = region.at(name);
  NEED(slot.id == tenure_tenant_id(tenant));
  NEED(~slot.max_complement == tenure_tenant_limit(tenant, TENURE_MAX));
  NEED(~slot.high_complement == tenure_tenant_limit(tenant, TENURE_HIGH));
  NEED(slot.low == tenure_tenant_limit(tenant, TENURE_LOW));
  NEED(slot.min == tenure_tenant_limit(tenant, TENURE_MIN));
  NEED(live::reserve_of(slot.oom) == tenure_tenant_limit(tenant, TENURE_RESERVE));
  NEED(live::policy_of(slot.oom) == uint64_t(tenure_tenant_policy(tenant)));
  const TenantStats stats = stats_of(tenant);
  NEED(slot.peak == stats.peak);
  NEED(slot.failures == stats.failures);
  for (unsigned i = 0; i < TENURE_EVENTS; ++i) NEED(slot.events[i] == stats.events[i]);
}

int shows(const std::string& folder) {
  Tenant shop("shop");
  Tenant acme("acme", shop, TENURE_ISOLATED);
  acme.limit(TENURE_MAX, 4 * kLarge);
  acme.limit(TENURE_HIGH, 2 * kLarge);
  acme.limit(TENURE_LOW, 3000);
  acme.limit(TENURE_MIN, 2000);
  acme.limit(TENURE_RESERVE, SIZE_MAX);
  acme.policy(TENURE_FAIL_ALL);
  void* const first = allocate_in(acme, 3 * kLarge);
  NEED(first && allocate_in(acme, 3 * kLarge) == nullptr);
  const RegionReader region(folder, getpid());
  expect_slot(region, acme, "acme");
  expect_slot(region, shop, "shop");
  const live::TenantSlot& slot = region.at("acme");
  NEED(slot.usage == acme.usage() && slot.usage >= 3 * kLarge);
  NEED(&region.slot(slot.parent) == &region.at("shop"));
  NEED(slot.depth == 2 && slot.flags == 2 && slot.name_length == 4);
  NEED(region.slot(region.at("shop").parent).usage == region.at("shop").usage);
  NEED(!region.left_behind());
  free(first);
  NEED(acme.settled() == 0 && slot.usage == 0);
  acme.offline();
  NEED(slot.state != uint32_t(live::SlotState::kOnline) && slot.ended_us >= slot.created_us);
  return 0;
}

int generations(const std::string& folder) {
  const std::string name = "a tenant with a long name";
  std::map<uint32_t, uint32_t> seen;  // Slots, and their last generation.
  uint32_t reused = 0;
  // A tenant that has gone is kept for a while: slots come back after some thousand.
  for (int i = 0; i < 3000; ++i) {
    Tenant tenant(name);
    tenant.limit(TENURE_MAX, 1000);
    const RegionReader region(folder, getpid());
    const live::TenantSlot& slot = region.at(name);
    NEED(slot.created_us != 0 && slot.ended_us == 0);
    uint32_t& generation = seen[static_cast<uint32_t>(&slot - &region.slot(0))];
    NEED(slot.generation > generation);
    reused += generation != 0;
    generation = slot.generation;
    tenant.offline();
    tenant.close();
    tenure_reap();
  }
  REQUIRE(reused > 500, "%u", reused);
  Tenant fresh("fresh");
  const RegionReader region(folder, getpid());
  NEED(region.header().used_slots < 2500);
  REQUIRE(region.at("fresh").max_complement == 0, "limits of the slot's last tenant");
  return 0;
}

int grows(const std::string& folder) {
  constexpr int kTenants = 6000;
  std::vector<Tenant> tenants;
  for (int i = 0; i < kTenants; ++i) tenants.emplace_back("tenant " + std::to_string(i));
  const RegionReader region(folder, getpid());
  NEED(region.header().used_slots == kTenants + 1);
  NEED((region.header().flags & live::kIncomplete) == 0);
  std::map<std::string, uint32_t> seen;
  for (uint32_t i = 1; i <= kTenants; ++i) {
    NEED(region.slot(i).parent == 0);
    ++seen[region.slot(i).name];
  }
  NEED(seen.size() == kTenants);
  void* const object = allocate_in(tenants.back(), kLarge);
  NEED(region.at("tenant " + std::to_string(kTenants - 1)).usage >= kLarge);
  free(object);
  return 0;
}

// Another process sets it; this one does nothing meanwhile but wait, and its other thread stands still.
void set_by_another(const std::string& folder, const char* tenant, uint64_t max) {
  const std::string file = folder + "/" + std::to_string(getpid()), number = std::to_string(max);
  const pid_t child = vfork();
  if (child == 0) {
    unsetenv("TENURE_LIVE");
    execl("/proc/self/exe", "set", "set", file.c_str(), tenant, number.c_str(), nullptr);
    _exit(126);
  }
  int status = -1;
  NEED(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int limited(const std::string& folder) {
  int ends[2];
  NEED(pipe(ends) == 0);
  std::thread stands_still([&ends] {
    char byte;
    NEED(read(ends[0], &byte, 1) == 1);
  });
  Tenant tenant("limited");
  void* const kept = allocate_in(tenant, kLarge);
  NEED(kept);
  for (int round = 0; round < 3; ++round) {
    set_by_another(folder, "limited", 2 * kLarge - 1);
    REQUIRE(allocate_in(tenant, kLarge) == nullptr, "the limit was set before this charge");
    NEED(tenure_tenant_limit(tenant, TENURE_MAX) == 2 * kLarge - 1);
    set_by_another(folder, "limited", UINT64_MAX);
    void* const more = allocate_in(tenant, kLarge);
    REQUIRE(more, "the limit is gone");
    free(more);
  }
  NEED(tenant.stats().failures == 3);
  free(kept);
  NEED(tenant.settled() == 0);
  NEED(write(ends[1], "", 1) == 1);
  stands_still.join();
  return 0;
}

int settings(const std::string& folder) {
  const RegionReader region(folder, getpid());
  Tenant tenant("set");
  tenant.limit(TENURE_MAX, kLarge);
  live::TenantSlot& slot = region.at("set");
  NEED(allocate_in(tenant, 2 * kLarge) == nullptr);
  slot.oom = live::pack_oom(TENURE_OBSERVE, 12345);
  void* const granted = allocate_in(tenant, 2 * kLarge);
  NEED(granted && tenant.events(TENURE_EVENT_OVERDRAW) == 1);
  NEED(tenure_tenant_limit(tenant, TENURE_RESERVE) == 12345);
  slot.oom = live::pack_oom(200, 0);  // No policy.
  NEED(tenure_tenant_policy(tenant) == TENURE_FAIL_LARGE);
  NEED(allocate_in(tenant, kLarge) == nullptr);
  RegionReader::set_max(slot, UINT64_MAX);
  slot.high_complement = ~uint64_t{3 * kLarge};
  void* const above = allocate_in(tenant, 2 * kLarge);
  NEED(above && tenant.events(TENURE_EVENT_HIGH) == 1);
  free(above);
  free(granted);
  return 0;
}

// Frees end at zero, and do not end the process.
int spoiled(const std::string& folder) {
  const RegionReader region(folder, getpid());
  Tenant tenant("spoiled");
  void* const object = allocate_in(tenant, kLarge);
  region.at("spoiled").usage = 5;
  NEED((region.header().flags & live::kSpoiled) == 0);
  free(object);
  NEED((region.header().flags & live::kSpoiled) != 0);
  NEED(region.at("spoiled").usage == 0);
  return 0;
}

// Every byte that others may write, again and again, while tenants come and go.
int overwritten(const std::string& folder) {
  uint64_t random = 88172645463325252;
  for (int round = 0; round < 60; ++round) {
    Tenant a("a"), b("b", a);
    std::vector<void*> objects;
    for (int i = 0; i < 50; ++i) objects.push_back(allocate_in(b, i % 8 == 0 ? kLarge : 100));
    {
      const RegionReader region(folder, getpid());
      const size_t slots = region.header().used_slots < 4 ? region.header().used_slots : 4;
      const auto fill = [&random](char* from, size_t bytes) {
        for (size_t at = 0; at + 8 <= bytes; at += 8) {
          random ^= random << 13, random ^= random >> 7, random ^= random << 17;
          memcpy(from + at, &random, 8);
        }
      };
      fill(region.base() + live::kSlotsAt, slots * sizeof(live::TenantSlot));
      // Not what the reader itself goes by.
      fill(region.base() + live::kRequestsAt, live::kSlotsAt - live::kRequestsAt);
    }
    for (int i = 0; i < 20; ++i) free(allocate_in(b, 5000));
    for (void* object : objects) free(object);
    tenure_reclaim(a, SIZE_MAX);
    static_cast<void>(b.stats());
    b.offline();
  }
  return 0;
}

int hold(const std::string&) {
  Tenant tenant("held");
  void* const object = allocate_in(tenant, kMiB);
  NEED(object);
  dprintf(STDOUT_FILENO, "%zu", tenant.usage());
  raise(SIGSTOP);
  void* const more = allocate_in(tenant, kMiB);
  const bool refused = more == nullptr;
  free(more);
  free(object);
  return tenure_tenant_limit(tenant, TENURE_MAX) == SIZE_MAX || refused ? 0 : 1;
}

int without(const std::string&) {
  Tenant tenant("alone");
  tenant.limit(TENURE_MAX, kLarge);
  NEED(allocate_in(tenant, 2 * kLarge) == nullptr);
  free(allocate_in(tenant, 1000));
  NEED(tenant.settled() == 0);
  return 0;
}

// More tenants than the folder has room for: they are accounted, and not shown.
int full(const std::string& folder) {
  std::vector<Tenant> tenants;
  for (int i = 0; i < 2000; ++i) {
    tenants.emplace_back(std::to_string(i));
    tenants.back().limit(TENURE_MAX, kLarge);
  }
  const RegionReader region(folder, getpid());
  NEED((region.header().flags & live::kIncomplete) != 0);
  NEED(region.header().used_slots > 100 && region.header().used_slots < 2000);
  for (size_t i : {size_t{0}, tenants.size() - 1}) {
    NEED(allocate_in(tenants[i], 2 * kLarge) == nullptr);
    void* const fits = allocate_in(tenants[i], kLarge / 2);
    NEED(fits && tenants[i].usage() >= kLarge / 2);
    free(fits);
  }
  return 0;
}

int secure(const std::string& folder) {
  if (getauxval(AT_SECURE) == 0) return kSkipped;
  Tenant tenant("unseen");
  NEED(RegionFolder::names_in(folder) == std::vector<std::string>{"raised"});
  return 0;
}

}  // namespace

int run_scenario(const std::string& name, const std::string& folder) {
  static const std::map<std::string, std::function<int(const std::string&)>> scenarios = {
      {"shows", shows},       {"generations", generations},
      {"grows", grows},       {"limited", limited},
      {"settings", settings}, {"spoiled", spoiled},
      {"hold", hold},         {"overwritten", overwritten},
      {"without", without},   {"full", full},
      {"secure", secure}};
  const auto found = scenarios.find(name);
  return found == scenarios.end() ? -1 : found->second(folder);
}

int set_from_outside(const std::string& file, const std::string& tenant, uint64_t max) {
  const RegionReader region(file);
  RegionReader::set_max(region.at(tenant), max);
  return 0;
}

}  // namespace blackbox
