#include "accounting/shrinkers/shrink.h"

#include <errno.h>

#include "accounting/counters/protection.h"
#include "accounting/pressure/events.h"
#include "accounting/pressure/reclaim.h"
#include "accounting/shrinkers/shrinker.h"
#include "accounting/tenants/tenant_ids.h"
#include "accounting/tenants/tenant_tree.h"
#include "base/system/system_calls.h"

namespace tenure {
namespace {

using EmptyCaches = size_t (*)(Tenant&);
constinit EmptyCaches empty_caches_of = nullptr;  // Constant after bootstrap.

constexpr uint32_t kMostVictims = 32;
constexpr uint32_t kMostLookedAt = 4096;  // Tenants in one read section.
// More than the request, so that a thread that allocates bit by bit does not reclaim bit by bit.
constexpr uint64_t kBatch = 128 * 1024;
// The number of rounds in which the whole subtree is asked for all its room. Recently used or locked objects may survive the first round.
// If objects exist but none was dropped, other threads get a little time to release locks, twice as long each time (3.1 ms in all).
constexpr unsigned kLastCircles = 6;
constexpr long kFirstPauseNs = 100'000;

// The protection that a pass respects.
enum class Spare { kLow, kMin };

struct Victim {
  Tenant* tenant;  // Pinned.
  uint64_t own;    // Its own usage.
  uint64_t room;   // The part of that which may be taken.
  bool below_low;
};

struct Victims {
  Victim list[kMostVictims];
  uint32_t count = 0;
  uint64_t room = 0;    // Of all.
  bool circle = false;  // The whole subtree is in here.
  unsigned ends = 0;    // The number of times that the walk passed the end of the tree's order.
  bool spared = false;  // A tenant has room above min that low protects.
  bool marked = false;  // A tenant has objects of a shrinker.
};

bool is_below(const Tenant& top, const Tenant* tenant) {
  while (tenant != nullptr && tenant != &top) tenant = tenant->parent();
  return tenant != nullptr;
}

Tenant& tenant_at(Tenant& top, uint32_t id) {
  Tenant* const at = tenant_by_id(TenantId{id});
  return at && is_below(top, at) ? *at : top;
}

void consider(Tenant& tenant, Room& rooms, Victims& victims, Spare spare) {
  if (!tenant.online()) return;
  if (!any_untied_shrinker() && !any_shrinker_marked(tenant)) return;
  victims.marked = true;
  const Room::Bytes room = rooms.of(tenant);
  victims.spared |= room.above_low < room.above_min;
  Victim victim{&tenant, Room::own_usage(tenant), 0, room.above_low == 0};
  victim.room = spare == Spare::kLow ? room.above_low : room.above_min;
  if (victim.room > victim.own) victim.room = victim.own;
  // The root's objects are charged to nobody, so their size is unknown. A tenant without usage is only visited, which removes old marks.
  if (victim.room == 0 && victim.own != 0) return;
  if (!tenant.pin()) return;
  victims.list[victims.count++] = victim;
  victims.room += victim.room;
}

// The next victims in tree order from the tenant with id `position`, which moves on.
TENURE_NOINLINE void gather(Tenant& top, Spare spare, uint32_t& position, Victims& victims) {
  grace::ReadSection section;
  Room rooms(top);
  Tenant& start = tenant_at(top, position);
  Tenant* at = &start;
  for (uint32_t looks = 0; looks < kMostLookedAt && victims.count < kMostVictims; ++looks) {
    consider(*at, rooms, victims, spare);
    at = next_in_subtree(top, at);
    if (at == nullptr) {
      at = &top;
      ++victims.ends;
    }
    victims.circle = at == &start;
    // The start may have left the tree meanwhile.
    if (victims.circle || victims.ends == 2) break;
  }
  position = index_of(at->id());
}

// The result of a circle.
struct Circle {
  bool all_asked = true;  // Every tenant has been asked for all its room.
  bool any_asked = false;
  bool any_gone = false;
};

// Each victim gives in proportion to its room.
void shrink_victims(const Victims& victims, uint64_t bytes, unsigned doublings, Circle& circle) {
  for (uint32_t i = 0; i < victims.count; ++i) {
    const Victim& victim = victims.list[i];
    ShrinkShare share{victim.room, victim.own};
    const uint64_t wanted =
        victims.room <= bytes ? victim.room : proportion(victim.room, bytes, victims.room);
    if (victim.own == 0 && victim.tenant != &root_tenant) {
      share = {0, 1};
    } else if (victim.own == 0) {
      share = {uint64_t{1} << doublings, 64};  // The root: its objects have no known size.
      circle.all_asked &= doublings >= 6;
    } else if (wanted < victim.room >> doublings) {
      share.part = wanted << doublings;
      circle.all_asked = false;
    }
    const ShrinkOutcome outcome = run_shrinkers(*victim.tenant, share);
    if (victim.below_low && outcome.asked != 0) record_event(*victim.tenant, EventKind::kLow);
    if (outcome.gone != 0 && empty_caches_of) empty_caches_of(*victim.tenant);
    circle.any_asked |= outcome.asked != 0;
    circle.any_gone |= outcome.gone != 0;
    victim.tenant->unpin();
  }
}

// The result of reclaim so far. On behalf of a tenant: bytes uncharged. On behalf of the root, whose own memory is charged to nobody: bytes
// given back to the page heap.
class Progress {
public:
  explicit Progress(const Tenant& top) : for_root_(&top == &root_tenant) {}
  uint64_t bytes() const { return for_root_ ? done_.released() : done_.uncharged(); }
  uint64_t uncharged() const { return done_.uncharged(); }

private:
  const bool for_root_;
  const Achievement done_;
};

void pause(unsigned circle) {
  const timespec pause{0, kFirstPauseNs << circle};
  sys::sleep(pause);
}

// At first every tenant is asked for its share, then for twice as much, and so on, because objects may be smaller than estimated, or in
// use, or in slabs with other objects.
struct Shrunk {
  bool spared = false;     // Low has spared a tenant.
  bool fruitless = false;  // No tenant in the subtree has objects of a shrinker.
};
Shrunk shrink_sparing(Tenant& top, uint64_t bytes, Spare spare, const Progress& progress,
                      uint32_t& position) {
  unsigned doublings = 0, ends = 0, last_circles = 0;
  bool spared = false, marked = false;
  Circle circle;
  for (;;) {
    const uint64_t done = progress.bytes();
    if (done >= bytes) return {spared, false};
    Victims victims;
    gather(top, spare, position, victims);
    spared |= victims.spared;
    marked |= victims.marked;
    shrink_victims(victims, bytes - done, doublings, circle);
    // A subtree that does not fit into one gathering has been seen whole after the second end.
    ends += victims.ends;
    if (!victims.circle && ends < 2) continue;
    if (circle.all_asked) {
      if (!circle.any_asked || ++last_circles == kLastCircles) return {spared, !marked};
      if (!circle.any_gone) pause(last_circles - 1);
    }
    if (doublings < 63) ++doublings;
    ends = 0;
    circle = {};
  }
}

// Where the last reclaim on behalf of `top` stopped. A hint: relaxed.
uint32_t load_position(Tenant& top) {
  grace::ReadSection section;
  const ReclaimState* const state = find_reclaim_state(top);
  return state ? state->position.load(std::memory_order_relaxed) : index_of(top.id());
}

void store_position(Tenant& top, uint32_t position) {
  grace::ReadSection section;
  if (ReclaimState* state = make_reclaim_state(top))
    state->position.store(position, std::memory_order_relaxed);
}

}  // namespace

void Room::look_at_siblings(Level& level, const Tenant& parent) {
  level.parent = &parent;
  level.min_claims = level.low_claims = 0;
  for (const Tenant* t = parent.first_child.load(std::memory_order_acquire); t != nullptr;
       t = t->next_sibling.load(std::memory_order_acquire)) {
    const uint64_t usage = t->counter.usage();
    level.min_claims += claimed_protection(usage, t->counter.min());
    level.low_claims += claimed_protection(usage, t->counter.low());
  }
}

Room::Bytes Room::of(const Tenant& tenant) {
  const Tenant* way[kDeepest];
  unsigned length = 0;
  for (const Tenant* t = &tenant; t != &top_; t = t->parent()) way[length++] = t;
  const auto above = [](uint64_t usage, uint64_t spared, uint64_t most) {
    const uint64_t bytes = usage > spared ? usage - spared : 0;
    return bytes < most ? bytes : most;
  };
  // A tenant's memory is not protected against its own limit.
  uint64_t min = kUnlimited, low = kUnlimited;
  Bytes room;
  while (length-- > 0) {
    const Tenant& node = *way[length];
    Level& level = levels_[node.depth];
    if (level.tenant != &node) {
      if (level.parent != node.parent()) look_at_siblings(level, *node.parent());
      const uint64_t usage = node.counter.usage();
      level.tenant = &node;
      level.effective_min = effective_protection(claimed_protection(usage, node.counter.min()), min,
                                                 level.min_claims);
      level.effective_low = effective_protection(claimed_protection(usage, node.counter.low()), low,
                                                 level.low_claims);
      level.room.above_min = above(usage, level.effective_min, room.above_min);
      level.room.above_low = above(usage, level.effective_low, room.above_low);
      if (level.room.above_low > level.room.above_min) level.room.above_low = level.room.above_min;
    }
    min = level.effective_min;
    low = level.effective_low;
    room = level.room;
  }
  return room;
}

uint64_t Room::own_usage(const Tenant& tenant) {
  uint64_t usage = tenant.counter.usage();
  for (const Tenant* t = tenant.first_child.load(std::memory_order_acquire); t != nullptr;
       t = t->next_sibling.load(std::memory_order_acquire)) {
    const uint64_t below = t->counter.usage();
    usage = usage > below ? usage - below : 0;
  }
  return usage;
}

size_t shrink_subtree(Tenant& top, size_t bytes) {
  if (!any_shrinker() || (!any_untied_shrinker() && nothing_to_shrink(top))) return 0;
  const int saved = errno;
  const Progress progress(top);
  // A small tenant is not emptied for the sake of a batch.
  const uint64_t sixteenth = top.counter.usage() / 16;
  const uint64_t batch = sixteenth < kBatch ? sixteenth : kBatch;
  const uint64_t wanted = bytes > batch ? bytes : batch;
  uint32_t position = load_position(top);
  const uint64_t look = begin_look(top);
  const Shrunk first = shrink_sparing(top, wanted, Spare::kLow, progress, position);
  if (first.fruitless && !any_untied_shrinker()) end_fruitless_look(top, look);
  if (first.spared && progress.bytes() < bytes) {
    shrink_sparing(top, bytes, Spare::kMin, progress, position);
  }
  store_position(top, position);
  errno = saved;
  return progress.uncharged();
}

void register_empty_caches(size_t (*empty_caches)(Tenant&)) { empty_caches_of = empty_caches; }

}  // namespace tenure
