#include "accounting/shrinkers/shrinker.h"

#include <errno.h>
#include <sys/single_threaded.h>

#include "accounting/callbacks/user_call.h"
#include "accounting/counters/protection.h"
#include "accounting/pressure/reclaim.h"
#include "accounting/shrinkers/lru.h"
#include "accounting/tenants/tenant.h"
#include "base/memory/meta_arena.h"
#include "base/system/wait.h"
#include "base/words/atomic_update.h"

namespace tenure {
namespace {

constexpr uint32_t kUnregistering = 1u << 31;

// Set under tenants_mutex with release, read in read sections with acquire.
constinit std::atomic<Shrinker*> slots[kMostShrinkers];
constinit std::atomic<uint32_t> highest{0};  // No slot from here on was ever used.
constinit std::atomic<uint32_t> untied{0};   // Registered, and without an LRU.

// The shrinker in the slot, with a call counted, or nullptr.
Shrinker* enter(uint32_t index) {
  grace::ReadSection section;
  Shrinker* const shrinker = slots[index].load(std::memory_order_acquire);
  if (shrinker == nullptr) return nullptr;
  const auto entered =
      atomic_update(shrinker->calls, [](uint32_t calls) -> std::optional<uint32_t> {
        if ((calls & kUnregistering) != 0) return std::nullopt;
        return calls + 1;
      });
  return entered ? shrinker : nullptr;
}

// Release: the callback's work comes before the end of unregister_shrinker(), its partner.
void leave(Shrinker& shrinker) { shrinker.calls.fetch_sub(1, std::memory_order_release); }

size_t count_objects(Shrinker& shrinker, Tenant& tenant) {
  const size_t objects = call_count(shrinker.count, shrinker.argument, tenant);
  if (objects != 0 || !shrinker.tied.load(std::memory_order_relaxed)) return objects;
  // An item that came since is either counted now, or sets the mark again: mark_shrinker().
  clear_shrinker_mark(tenant, shrinker.index);
  const size_t again = call_count(shrinker.count, shrinker.argument, tenant);
  if (again != 0) {
    grace::ReadSection section;
    mark_shrinker(tenant, shrinker.index);
  }
  return again;
}

// If the objects are too many for a count in 65536ths, parts of objects do not matter.
size_t share_of(const Shrinker& shrinker, Tenant& tenant, size_t objects, ShrinkShare share) {
  constexpr uint64_t kUnit = 1 << 16;
  constexpr uint64_t kMost = UINT64_MAX / kUnit / kOrdinaryCost;
  uint64_t most = proportion((objects < kMost ? objects : kMost) * kUnit, share.part, share.whole);
  most = shrinker.cost < kOrdinaryCost ? most * kOrdinaryCost
                                       : proportion(most, kOrdinaryCost, shrinker.cost);
  most = whole_objects(tenant, shrinker.index, most);
  return most < objects ? most : objects;
}

void run_one(Shrinker& shrinker, Tenant& tenant, ShrinkShare share, ShrinkOutcome& outcome) {
  const size_t objects = count_objects(shrinker, tenant);
  if (objects == 0) return;
  const size_t most =
      share.part < share.whole ? share_of(shrinker, tenant, objects, share) : objects;
  if (most == 0) return;
  outcome.gone += call_scan(shrinker.scan, shrinker.argument, tenant, most);
  outcome.asked = outcome.asked > SIZE_MAX - most ? SIZE_MAX : outcome.asked + most;
}

bool wants(uint32_t index, Tenant& tenant) {
  grace::ReadSection section;
  const Shrinker* const shrinker = slots[index].load(std::memory_order_acquire);
  return shrinker &&
         (!shrinker->tied.load(std::memory_order_relaxed) || shrinker_marked(tenant, index));
}

void wait_for_calls(const Shrinker& shrinker) {
  for (unsigned looks = 0; shrinker.calls.load(std::memory_order_acquire) != kUnregistering;)
    wait_before_look(looks++);
}

}  // namespace

int register_shrinker(const char* name, CountCallback count, ScanCallback scan, unsigned cost,
                      void* argument, Shrinker** result) {
  *result = nullptr;
  if (name == nullptr || count == nullptr || scan == nullptr || cost == 0 || cost > kHighestCost)
    return -EINVAL;
  auto* shrinker = meta_arena.create<Shrinker>();
  if (shrinker == nullptr) return -ENOMEM;
  shrinker->count = count;
  shrinker->scan = scan;
  shrinker->argument = argument;
  shrinker->cost = cost;
  for (size_t i = 0; i < kLongestShrinkerName && name[i] != '\0'; ++i) shrinker->name[i] = name[i];
  MutexGuard guard(tenants_mutex);
  for (uint32_t i = 0; i < kMostShrinkers; ++i) {
    if (slots[i].load(std::memory_order_relaxed) != nullptr) continue;
    shrinker->index = i;
    if (i >= highest.load(std::memory_order_relaxed)) {
      highest.store(i + 1, std::memory_order_relaxed);
    }
    untied.fetch_add(1, std::memory_order_relaxed);
    slots[i].store(shrinker, std::memory_order_release);
    *result = shrinker;
    return 0;
  }
  meta_arena.destroy(shrinker);
  return -ENOSPC;
}

int unregister_shrinker(Shrinker* shrinker) {
  // Also for another shrinker: two shrinkers that unregister each other would wait for ever.
  if (in_reclaim()) return -EDEADLK;
  {
    MutexGuard guard(tenants_mutex);
    forget_lru_shrinker(shrinker->index + 1);
    if (slots[shrinker->index].load(std::memory_order_relaxed) == shrinker) {
      slots[shrinker->index].store(nullptr, std::memory_order_release);
      if (!shrinker->tied.load(std::memory_order_relaxed)) {
        untied.fetch_sub(1, std::memory_order_relaxed);
      }
    }
  }
  shrinker->calls.fetch_or(kUnregistering, std::memory_order_acq_rel);
  wait_for_calls(*shrinker);
  grace::
      synchronize();  // Waits for threads that have found the shrinker in its slot and have not entered it yet.
  meta_arena.destroy(shrinker);
  return 0;
}

void tie_lru(Lru& lru, Shrinker* shrinker) {
  {
    MutexGuard guard(tenants_mutex);
    lru.shrinker.store(shrinker ? shrinker->index + 1 : 0, std::memory_order_release);
  }
  if (shrinker == nullptr) return;
  grace::
      synchronize();  // A thread that has added with an older look at `shrinker` has put its item on a list.
  mark_lru_owners(lru);
  if (!shrinker->tied.exchange(true, std::memory_order_relaxed)) {
    untied.fetch_sub(1, std::memory_order_relaxed);
  }
}

bool any_shrinker() {
  const uint32_t end = highest.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < end; ++i) {
    if (slots[i].load(std::memory_order_relaxed) != nullptr) return true;
  }
  return false;
}

bool any_untied_shrinker() { return untied.load(std::memory_order_relaxed) != 0; }

ShrinkOutcome run_shrinkers(Tenant& tenant, ShrinkShare share) {
  ShrinkOutcome outcome;
  const uint32_t end = highest.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < end; ++i) {
    if (!wants(i, tenant)) continue;
    Shrinker* const shrinker = enter(i);
    if (shrinker == nullptr) continue;
    run_one(*shrinker, tenant, share, outcome);
    leave(*shrinker);
  }
  return outcome;
}

void shrinkers_after_fork_child() {
  if (__libc_single_threaded) return;
  for (auto& slot : slots) {
    Shrinker* const shrinker = slot.load(std::memory_order_relaxed);
    if (shrinker == nullptr)
      continue;  // Empty slots are not written, because each write to a page is a fault in each child.
    slot.store(nullptr, std::memory_order_relaxed);
    // Forgets calls of vanished threads, but not this thread's own.
    if (!in_reclaim()) shrinker->calls.store(0, std::memory_order_relaxed);
  }
  if (untied.load(std::memory_order_relaxed) != 0) untied.store(0, std::memory_order_relaxed);
}

}  // namespace tenure
