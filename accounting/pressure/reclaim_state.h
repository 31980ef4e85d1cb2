// A tenant's state from its first reclaim on: the shrinkers that have objects of it, the place at which the last reclaim below it stopped,
// and the time that its threads have waited. The states are in an array by tenant id, as in the kernel's shrinker_info. A state is made at
// the first need and removed at offline. The root's state always exists.
#pragma once

#include <atomic>
#include <cstdint>

#include "accounting/hooks.h"
#include "accounting/pressure/pressure.h"
#include "accounting/tenants/event_kind.h"
#include "rcu/deferred.h"

namespace tenure {

struct Tenant;

constexpr uint32_t kMostShrinkers = 256;
// The number of shrinkers of one tenant that may have a part carried over at a time.
constexpr uint32_t kCarries = 16;

struct alignas(64) ReclaimState {
  explicit constexpr ReclaimState(Tenant* tenant) : owner(tenant) {}

  Tenant* const owner;
  // A bit for each shrinker. Set when an item of the tenant comes to an LRU of the shrinker, cleared when the shrinker counts 0.
  std::atomic<uint64_t> shrinkers[kMostShrinkers / 64] = {};
  // Whether it is known that no shrinker is marked here or below: see nothing_to_shrink().
  std::atomic<uint64_t> fruitless{0};
  // The id of the tenant below this one with which the next reclaim begins. A hint: relaxed.
  std::atomic<uint32_t> position{0};
  // The time of the last report of a refused request, in seconds; 0: never. Relaxed: a heuristic.
  std::atomic<uint32_t> reported_s{0};
  Pressure pressure{};
  // Events of the tenants below, by kind, those that have gone included. Statistics: relaxed.
  std::atomic<uint64_t> events_below[kEventKinds] = {};
  // The parts of objects that shrinkers were not asked for yet: {shrinker : 16, 65536ths of an object : 16}. A race loses some:
  // relaxed.
  std::atomic<uint32_t> carried[kCarries] = {};
  DeferredItem item{};  // Used once no pointer leads here.
};

static_assert(sizeof(ReclaimState) == 256);

// The state of a tenant that is online in this read section. find: nullptr if there is none. make: nullptr if metadata is exhausted or the
// tenant has just gone.
ReclaimState* find_reclaim_state(Tenant& tenant);
ReclaimState* make_reclaim_state(Tenant& tenant);

// Notes that the shrinker may have objects of the tenant. In a read section.
void mark_shrinker(Tenant& tenant, uint32_t shrinker);
// Whether the shrinker may have objects of the tenant. True without a mark if the mark could not be stored for want of metadata.
bool shrinker_marked(Tenant& tenant, uint32_t shrinker);
// Whether any shrinker is marked.
bool any_shrinker_marked(Tenant& tenant);
void clear_shrinker_mark(Tenant& tenant, uint32_t shrinker);

// The number of objects to request from the shrinker for the tenant, whose share is `share` 65536ths of an object. The rest is carried over
// to the next share, so that large objects are taken in the same proportion as small ones. (The kernel's nr_deferred.)
uint64_t whole_objects(Tenant& tenant, uint32_t shrinker, uint64_t share);

// Counts an event at all ancestors of the tenant; 0 where one has none, or metadata is exhausted.
void count_event_above(Tenant& tenant, EventKind kind);
uint64_t events_below(Tenant& tenant, EventKind kind);

// A parent remembers that no tenant at or below it has a mark, until a shrinker is marked there. So the cost of a refused request does not
// depend on the number of children.
//
// The word is 0 (not known), checking (2 n + 1: look number n is under way), or the doubled cookie of a grace period: after that grace
// period no tenant has a mark. A look stores checking, looks at all tenants, takes a cookie, and stores the cookie if the word is still its
// own. A thread that marks stores 0 at all ancestors before and after, in one read section. So
//  - a section that began after the cookie was taken stores 0 over it, or over checking, before it marks;
//  - one that began earlier has stored 0 after it had marked, by the time the cookie has passed.
// A thread that is stopped in between keeps the cookie from passing, which costs only time.
bool nothing_to_shrink(Tenant& top);
// Begins a look. Returns its number, or 0 if no result can be remembered. The second function ends a look that found no mark.
uint64_t begin_look(Tenant& top);
void end_fruitless_look(Tenant& top, uint64_t number);

// Calls Pressure::forget_threads() for all states.
void forget_stalled_threads(uint64_t now_us);

// Bytes of metadata of all states.
size_t reclaim_states_bytes();

}  // namespace tenure
