// A tenant's state from its first reclaim on: which shrinkers have something of it, where the
// last reclaim below it stopped, how long its threads have waited. In an array by tenant id, as in
// the kernel's shrinker_info; made at the first need, gone at offline. The root's is always there.
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
// Shrinkers of one tenant that have something carried over at a time.
constexpr uint32_t kCarries = 16;

struct alignas(64) ReclaimState {
  explicit constexpr ReclaimState(Tenant* tenant) : owner(tenant) {}

  Tenant* const owner;
  // A bit for each shrinker: set when an item of the tenant comes to an LRU of it, cleared when its
  // count says 0.
  std::atomic<uint64_t> shrinkers[kMostShrinkers / 64] = {};
  // Whether no shrinker is marked here or below, as far as is known: see nothing_to_shrink().
  std::atomic<uint64_t> fruitless{0};
  // The id of the tenant below this one with which the next reclaim begins. A hint: relaxed.
  std::atomic<uint32_t> position{0};
  Pressure pressure{};
  // Events of the tenants below, by kind, those that have gone included. Statistics: relaxed.
  std::atomic<uint64_t> events_below[kEventKinds] = {};
  // The parts of objects that shrinkers were not asked for yet: {shrinker : 16, 65536ths of an object : 16}. A race loses some:
  // relaxed.
  std::atomic<uint32_t> carried[kCarries] = {};
  DeferredItem item{};  // Once nothing leads here.
};

static_assert(sizeof(ReclaimState) == 256);

// Of a tenant that is online in this read section. find: nullptr if there is none; make: nullptr if
// metadata is exhausted or the tenant has just gone.
ReclaimState* find_reclaim_state(Tenant& tenant);
ReclaimState* make_reclaim_state(Tenant& tenant);

// The shrinker may have something of the tenant. In a read section.
void mark_shrinker(Tenant& tenant, uint32_t shrinker);
// Whether that is so; true without a mark where one could not be stored for want of metadata.
bool shrinker_marked(Tenant& tenant, uint32_t shrinker);
// Whether any shrinker is marked.
bool any_shrinker_marked(Tenant& tenant);
void clear_shrinker_mark(Tenant& tenant, uint32_t shrinker);

// How many objects of the tenant the shrinker is to be asked for, whose share is `share` 65536ths of an object. The rest is carried
// over to its next share: so large objects are taken as proportionally as small ones. (The kernel's nr_deferred.)
uint64_t whole_objects(Tenant& tenant, uint32_t shrinker, uint64_t share);

// Counts an event at all ancestors of the tenant; 0 where one has none, or metadata is exhausted.
void count_event_above(Tenant& tenant, EventKind kind);
uint64_t events_below(Tenant& tenant, EventKind kind);

// A parent remembers that nobody at or below it has a mark, until a shrinker is marked there: a refused request then costs the same
// however many children there are.
//
// The word is 0 (not known), checking (2 n + 1: look number n is under way), or the cookie of a grace period, doubled: from when it has
// passed, nobody has a mark. A look makes it checking, looks at all, takes a cookie, and stores that if the word is still its
// own. A thread that marks stores 0 at all ancestors before and after, in one read section. So
//  - a section that began after the cookie was taken stores 0 over it, or over checking, before it marks;
//  - one that began earlier has stored 0 after it had marked, by the time the cookie has passed.
// A thread that is stopped in between keeps the cookie from passing, and all that is lost is time.
bool nothing_to_shrink(Tenant& top);
// A look begins; its number, or 0: none can be remembered. Ends, with nobody marked.
uint64_t begin_look(Tenant& top);
void end_fruitless_look(Tenant& top, uint64_t number);

// Pressure::forget_threads() of all.
void forget_stalled_threads(uint64_t now_us);

// Bytes of metadata of all.
size_t reclaim_states_bytes();

}  // namespace tenure
