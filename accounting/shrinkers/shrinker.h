// Room accounting/shrinkers: objects that the program can drop. It calls the rooms below and the program's shrinkers. It promises
// that no lock of the library is held while a shrinker runs.
//
// Shrinkers: functions of the program that count its cached objects of a tenant, and drop them.
//
// Source of the idea: the kernel's shrinkers, with a bit for each tenant and shrinker, so that only shrinkers with objects of the tenant
// are called ("mm: iterate only over charged shrinkers during memcg shrink_slab").
//
// A shrinker runs on the thread that is short of memory (or asked for reclaim), in the middle of its
// malloc: with no lock of the library held, outside read sections, with the root as the current
// tenant, never inside another one on the same thread. It may allocate and free. It may run on
// several threads at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "accounting/callbacks/user_call.h"
#include "accounting/pressure/reclaim_state.h"

namespace tenure {

struct Lru;

constexpr size_t kLongestShrinkerName = 31;
// The ordinary cost of making an object again. A shrinker of cost 4 is asked for half as many objects.
constexpr unsigned kOrdinaryCost = 2;
constexpr unsigned kHighestCost = 1000;

struct alignas(64) Shrinker {
  // Constant from registration.
  CountCallback count = nullptr;
  ScanCallback scan = nullptr;
  void* argument = nullptr;
  unsigned cost = kOrdinaryCost;
  uint32_t index = 0;
  char name[kLongestShrinkerName + 1] = {};

  // {being unregistered : 1, calls under way : 31}. Changed by compare-and-swap.
  std::atomic<uint32_t> calls{0};
  // The shrinker has an LRU that sets its marks. Until then it is asked about every tenant. Relaxed.
  std::atomic<bool> tied{false};
};

// -EINVAL bad arguments (cost: 1 to 1000); -ENOSPC: there are kMostShrinkers; -ENOMEM. Control.
int register_shrinker(const char* name, CountCallback count, ScanCallback scan, unsigned cost,
                      void* argument, Shrinker** shrinker);
// Afterwards no call is under way and none can follow. Waits for running calls, so the caller must hold no lock that they wait for.
// -EDEADLK from a shrinker. Its LRUs stay, without a shrinker. Control.
int unregister_shrinker(Shrinker* shrinker);
// From now on the LRU's items count as the shrinker's (nullptr: no shrinker's). Control.
void tie_lru(Lru& lru, Shrinker* shrinker);

// Whether there is any shrinker.
bool any_shrinker();
// Whether a shrinker has to be asked about every tenant.
bool any_untied_shrinker();

// The share to be taken from a tenant: `part` of `whole`, in any unit.
struct ShrinkShare {
  uint64_t part, whole;
};
struct ShrinkOutcome {
  size_t asked = 0;  // The number of requested objects; 0 if the shrinker counts none.
  size_t gone = 0;
};
// Makes the shrinkers with objects of the tenant drop that share of their objects. Parts of an object are carried over to the next time.
// The tenant is pinned. Runs user code.
ShrinkOutcome run_shrinkers(Tenant& tenant, ShrinkShare share);

// In a fork child: if the process had threads, no shrinker runs until it is registered anew, because vanished threads may hold the locks
// that its callbacks take.
void shrinkers_after_fork_child();

}  // namespace tenure
