// The record of sampled allocations: the stacks, the tenants, and how many objects of which size each site has allocated and freed.
//
// A site is a stack, a tenant, a thread's name, a size and the mean of the sampler at the time: objects of a site all stand for the same number
// of objects, so plain counts say all (docs/profiling.md). Sites, stacks and tenants are kept for the life of the process, and found by
// hash tables of lists: an entry is pushed at the head of its list, and never changes or goes, so reading needs nothing. All of
// it together takes at most kMostProfileBytes; beyond, samples are counted as lost.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "accounting/tenants/tenant.h"

namespace tenure {

constexpr size_t kMostProfileBytes = 32 << 20;
constexpr uint32_t kDeepestStack = 64;

struct ProfileStack {
  ProfileStack* next;  // In its list, as below.
  uint64_t hash;
  uint32_t number;  // From 1.
  uint32_t depth;
  const void* frames[];  // Where calls return to, the innermost first.
};

constexpr size_t kLongestLabel = 160;
struct ProfileTenant {
  ProfileTenant* next;
  uint32_t number;  // From 1.
  uint32_t place;   // Tenant::number
  uint32_t id;
  uint32_t length;
  char path[kLongestLabel];  // Cut where need be; ends with 0.
};

struct ProfileSite {
  ProfileSite* next;
  uint64_t hash;
  uint32_t number;  // From 1.
  const ProfileStack* stack;
  const ProfileTenant* tenant;
  uint64_t size;
  uint64_t mean;
  char thread[16];  // Ends with 0.
  // Sampled objects. Relaxed: counts.
  std::atomic<uint64_t> allocated, freed;
};

// Of the allocation that is under way on this thread. nullptr: there is no memory. Lock-free, async-signal-safe, keeps errno.
ProfileSite* find_site(const Tenant& tenant, uint64_t size);

// Samples that were not to be had, or had no site.
extern constinit std::atomic<uint64_t> lost_samples;
size_t profile_bytes();

// As many lists as keep each at a few entries, where all memory is used up. Untouched ones take none.
template <typename Entry, uint32_t kLists>
struct ProfileTable {
  std::atomic<Entry*> lists[kLists]{};

  std::atomic<Entry*>& list(uint64_t hash) { return lists[hash % kLists]; }
  template <typename F>
  void for_each(F f) const {
    for (const auto& head : lists) {
      for (Entry* entry = head.load(std::memory_order_acquire); entry; entry = entry->next)
        f(*entry);
    }
  }
};
extern constinit ProfileTable<ProfileStack, 8192> profile_stacks;
extern constinit ProfileTable<ProfileTenant, 8192> profile_tenants;
extern constinit ProfileTable<ProfileSite, 32768> profile_sites;

}  // namespace tenure
