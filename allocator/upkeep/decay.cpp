#include "allocator/upkeep/decay.h"

#include <time.h>

#include "accounting/charge/process_memory.h"
#include "accounting/tenants/tenant_ids.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/dead_caches.h"
#include "allocator/caches/tenant_heap.h"
#include "allocator/fronts/charge_stock.h"
#include "allocator/fronts/depots.h"
#include "allocator/fronts/drain.h"
#include "allocator/hooks.h"
#include "allocator/upkeep/helper.h"
#include "allocator/upkeep/idle_slabs.h"
#include "allocator/upkeep/reclaim.h"
#include "allocator/upkeep/run_stash.h"

namespace tenure {

constinit std::atomic<bool> fronts_watched_flag{false};

namespace {

// So much free memory is worth a slow step for each list, until most of it has gone.
constexpr size_t kWatched = 6 * kMiB;
constexpr size_t kWatchedShare = 16;
constexpr size_t kWatchEnds = 4 * kMiB;
// Slow steps that are further apart are those of a program that comes by seldom. Longer than a tick of the coarse clock.
constexpr uint32_t kSeldomMs = 12;
// Longer lists are closed at each tick, as it may be the last for long.
constexpr uint32_t kShortList = 8;
// Relaxed: a heuristic.
constinit std::atomic<uint32_t> list_length{0};
// A program that comes by seldom may take a second step in the same tick: by its free after its malloc.
constinit std::atomic<bool> second_step{false};

// A step of malloc or free takes so long at most, and a portion more.
constexpr uint64_t kStepNs = 170 * 1000;
// Some 100 us of madvise; walks along chains; and slabs, of some 10 us each.
constexpr DecayWork kPortion{1, 4, 4};
// Stretches that the hand passes at a time. Those where there is nothing to do cost a few nanoseconds each.
constexpr uint32_t kMostVisits = 8192;

// The place of the hand: {when the round began, in coarse milliseconds; the next stretch}. 0: it has not begun. Whoever moves it past a
// stretch sweeps that stretch. Relaxed: what is swept is claimed by the page heap's own words.
constinit std::atomic<uint64_t> hand{0};
constexpr uint64_t hand_at(uint32_t began, uint32_t stretch) {
  return uint64_t{began} << 32 | stretch;
}

// The progress of this round's emptying: {round, twice the id of the tenant that is next, and whether its fronts are closed}. Whoever
// empties something of it may move it on; several do no harm to each other. Relaxed: ids and hints.
constinit std::atomic<uint64_t> emptying{0};
constexpr uint32_t kAllEmptied = UINT32_MAX;
constexpr uint64_t emptying_at(uint32_t round, uint32_t place) {
  return uint64_t{round} << 32 | place;
}

// Free objects of dead caches that go back when a round begins: some hundred microseconds where none of them is in a processor's
// caches.
constexpr size_t kDeadObjects = 1024;

// Of the last step that a slow path took.
constinit std::atomic<uint32_t> last_polled{0};

// Closes the tenant's words in the fronts: what they hold goes to depots.
void close_fronts(Tenant& tenant) {
  Cache* caches[kDrainMost];
  uint32_t count = 0;
  for_each_cache_of(tenant, [&](Cache& cache) {
    if (cache.front_slot.load(std::memory_order_relaxed) == 0) return;
    caches[count++] = &cache;
    if (count < kDrainMost) return;
    drain_caches(caches, count, DrainTo::kDepots);
    count = 0;
  });
  drain_caches(caches, count, DrainTo::kDepots);
}

// Decides how many chains of the tenant's depots go to slabs in this round: those that nobody has wanted since the last, of the cold ones; all
// of the others, of which there are few.
void plan_return(Tenant& tenant) {
  for_each_cache_of(tenant, [](Cache& cache) {
    const uint32_t cold = cache.cold.size();
    const uint32_t unwanted = cache.fewest_cold.exchange(cold, std::memory_order_relaxed);
    const uint32_t others = chains_in_depots(cache) - cold;
    cache.chains_to_return.store((unwanted < cold ? unwanted : cold) + others,
                                 std::memory_order_relaxed);
  });
}

// Returns how many chains went to slabs; fewer than `most`: that was all.
size_t return_planned(Tenant& tenant, size_t most) {
  size_t done = 0;
  for_each_cache_of(tenant, [&](Cache& cache) {
    const uint32_t planned = cache.chains_to_return.load(std::memory_order_relaxed);
    const size_t left = most - done;
    uint32_t here = 0;
    for_each_depot(cache, [&](Depot& depot) {
      while (here < planned && here < left && !depot.empty()) {
        const ChainWord chain = pop_chain(cache, depot);
        if (!has_objects(chain)) break;
        give_to_slabs(cache, chain);
        ++here;
      }
    });
    cache.chains_to_return.store(here < left ? 0 : planned - here, std::memory_order_relaxed);
    done += here;
  });
  return done;
}

// The place after one that holds no tenant, or nothing more.
uint32_t next_tenant(uint32_t id) {
  const uint32_t end = tenants_by_id.limit();
  while (++id < end) {
    if (tenants_by_id.load(id) != nullptr) return 2 * id;
  }
  return kAllEmptied;
}

// Empties fronts and depots of one tenant after the other, as long as no more than `most` chains and tenants have come up. Returns
// how many chains went to slabs.
size_t empty_some(size_t most) {
  size_t chains = 0;
  uint64_t seen = emptying.load(std::memory_order_relaxed);
  for (size_t visits = 0; visits + chains < most && static_cast<uint32_t>(seen) != kAllEmptied;
       ++visits) {
    const auto place = static_cast<uint32_t>(seen);
    const uint32_t id = place / 2;
    uint32_t next = place + 1;
    grace::ReadSection section;
    Tenant* const tenant = id == 0 ? &root_tenant : tenants_by_id.load(id);
    if (tenant == nullptr || !tenant->online()) {
      next = next_tenant(id);
    } else if (place % 2 == 0) {
      close_fronts(*tenant);
      plan_return(*tenant);
    } else {
      const size_t left = most - visits - chains, done = return_planned(*tenant, left);
      chains += done;
      if (done == left) return chains;
      if (TenantHeap* const heap = heap_of(*tenant); heap && id != 0) demote_empty(*tenant, *heap);
      next = next_tenant(id);
    }
    const uint64_t moved = emptying_at(static_cast<uint32_t>(seen >> 32), next);
    if (emptying.compare_exchange_strong(seen, moved, std::memory_order_relaxed)) seen = moved;
  }
  return chains;
}

void begin_round(uint32_t now) {
  empty_stashes();  // First, so that what lay there begins to be idle now.
  emptying.store(emptying_at(now, 0), std::memory_order_relaxed);
  empty_dead_caches(root_tenant, SIZE_MAX, kDeadObjects);
  age_stocks();
}

// Sweeps what the hand should have reached by now.
size_t sweep_some(uint32_t now, size_t most, uint32_t round) {
  PageHeap& heap = arena.page_heap;
  size_t bytes = 0;
  uint64_t seen = hand.load(std::memory_order_relaxed);
  for (uint32_t visits = 0; bytes < most && visits < kMostVisits; ++visits) {
    const auto began = static_cast<uint32_t>(seen >> 32), stretch = static_cast<uint32_t>(seen);
    const uint32_t stretches = heap.stretches(), elapsed = elapsed_ms(began, now);
    if (seen == 0 || (stretch >= stretches && elapsed >= round)) {
      // A round that took longer than its time, since few steps were taken, is followed by the next at once.
      if (hand.compare_exchange_strong(seen, hand_at(now, 0), std::memory_order_relaxed)) {
        if (seen != 0) begin_round(now);
        return bytes;
      }
      continue;
    }
    const uint64_t due = elapsed >= round ? stretches : uint64_t{stretches} * elapsed / round;
    if (stretch >= due) break;
    const uint64_t moved = hand_at(began, stretch + 1);
    if (!hand.compare_exchange_weak(seen, moved, std::memory_order_relaxed)) continue;
    seen = moved;
    bytes += heap.sweep(stretch);
  }
  return bytes;
}

}  // namespace

uint32_t decay_round_ms() {
  const int64_t decay = arena.settings.decay_ms;
  return decay <= 0 ? 0 : decay <= 2 ? 1 : static_cast<uint32_t>(decay * 2 / 5);
}

DecayWork take_decay_step(uint32_t now, DecayWork most, uint32_t round_ms) {
  if (round_ms == 0) return {};
  DecayWork done;
  done.chains = empty_some(most.chains);
  done.bytes = sweep_some(now, most.bytes, round_ms);
  const SlabWork slabs = collect_some_slabs(now, most.slabs, round_ms);
  done.slabs = slabs.collected;
  done.behind = slabs.behind;
  return done;
}

void hurry_decay(uint32_t now) {
  if (decay_round_ms() != 0) begin_round(now);
}

uint32_t watched_length() { return list_length.load(std::memory_order_relaxed); }

static void lengthen_lists() {
  const uint32_t length = list_length.load(std::memory_order_relaxed);
  if (length < kLongestWatched) list_length.store(2 * length + 1, std::memory_order_relaxed);
}

void watch_fronts_where_needed() {
  const size_t free = arena.page_heap.free_bytes() + cold_bytes();
  const bool needed = !helper_works() && arena.settings.decay_ms > 0;
  if (fronts_watched()) {
    if (!needed || free < kWatchEnds) fronts_watched_flag.store(false, std::memory_order_relaxed);
    return;
  }
  if (TENURE_LIKELY(!needed || free < kWatched) ||
      free < arena.page_heap.resident_bytes() / kWatchedShare)
    return;
  fronts_watched_flag.store(true, std::memory_order_relaxed);
  // Lists of before have no end that is closed.
  for_each_in_subtree(root_tenant, [](Tenant& tenant) {
    close_fronts(tenant);
    return true;
  });
}

static uint64_t clock_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000 + static_cast<uint64_t>(t.tv_nsec);
}

// Where steps are few, each has to do more, and rounds are shorter.
static void take_polled_step(uint32_t now, bool seldom) {
  show_process_memory();
  const uint32_t round = decay_round_ms();
  const uint64_t end = clock_ns() + kStepNs;
  DecayWork done;
  do {
    done = take_decay_step(now, kPortion, seldom ? (round + 1) / 2 : round);
  } while (done.any() && clock_ns() < end);
}

void poll_decay() {
  poll_live_requests(ServedBy::kMalloc);
  if (helper_works() || arena.settings.decay_ms <= 0) {
    if (TENURE_UNLIKELY(fronts_watched())) watch_fronts_where_needed();
    return;
  }
  watch_fronts_where_needed();
  const uint32_t now = coarse_ms();
  uint32_t last = last_polled.load(std::memory_order_relaxed);
  if (last == now || (last = last_polled.exchange(now, std::memory_order_relaxed)) == now) {
    if (!fronts_watched()) return;
    if (second_step.exchange(false, std::memory_order_relaxed)) return take_polled_step(now, true);
    return lengthen_lists();
  }
  const bool seldom = elapsed_ms(last, now) > kSeldomMs;
  second_step.store(seldom, std::memory_order_relaxed);
  if (fronts_watched()) {
    if (list_length.load(std::memory_order_relaxed) > kShortList) close_fronts(root_tenant);
    if (seldom && list_length.exchange(0, std::memory_order_relaxed) != 0) hurry_decay(now);
  }
  take_polled_step(now, seldom);
  watch_fronts_where_needed();
}

}  // namespace tenure
