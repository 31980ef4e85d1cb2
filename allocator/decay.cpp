#include "allocator/decay.h"

#include "accounting/tenant_ids.h"
#include "accounting/tenant_tree.h"
#include "allocator/depots.h"
#include "allocator/drain.h"
#include "allocator/helper.h"
#include "allocator/reclaim.h"
#include "allocator/run_stash.h"
#include "allocator/tenant_heap.h"

namespace tenure {
namespace {

// A step of malloc or free: some 100 us of madvise, and of walks along chains. A stretch more may be returned.
constexpr DecayWork kPolled{kStretchSize / 2, 6};

// Where the hand is: {when the round began, in coarse milliseconds; the next stretch}. 0: it has not begun. Whoever moves it past a
// stretch sweeps that stretch. Relaxed: what is swept is claimed by the page heap's own words.
constinit std::atomic<uint64_t> hand{0};
constexpr uint64_t hand_at(uint32_t began, uint32_t stretch) {
  return uint64_t{began} << 32 | stretch;
}

// What has been emptied in this round: {round, twice the id of the tenant that is next, and whether its fronts are closed}. Whoever
// empties something of it may move it on; several do no harm to each other. Relaxed: ids and hints.
constinit std::atomic<uint64_t> emptying{0};
constexpr uint32_t kAllEmptied = UINT32_MAX;
constexpr uint64_t emptying_at(uint32_t round, uint32_t place) {
  return uint64_t{round} << 32 | place;
}

// Of the last step that a slow path took.
constinit std::atomic<uint32_t> last_polled{0};

uint32_t since(uint32_t began, uint32_t now) {
  // Another thread's clock may be ahead by a tick or two.
  return is_ahead(began, now, 1000) ? 0 : now - began;
}

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

// Returns how many chains went to slabs; fewer than `most`: the tenant's depots are empty.
size_t empty_depots(Tenant& tenant, size_t most) {
  size_t left = most;
  for_each_cache_of(tenant, [&left](Cache& cache) {
    for_each_depot(cache, [&](Depot& depot) {
      while (left > 0 && !depot.empty()) {
        const ChainWord chain = pop_chain(cache, depot);
        if (!has_objects(chain)) break;
        give_to_slabs(cache, chain);
        --left;
      }
    });
  });
  return most - left;
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
    } else {
      const size_t left = most - visits - chains, done = empty_depots(*tenant, left);
      chains += done;
      if (done == left) return chains;
      // Little is left there now but to note which classes have no slab any more.
      if (id != 0) empty_tenant_caches(*tenant);
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
}

// Sweeps what the hand should have reached by now.
size_t sweep_some(uint32_t now, size_t most) {
  const uint32_t round = decay_round_ms();
  PageHeap& heap = arena.page_heap;
  size_t bytes = 0;
  uint64_t seen = hand.load(std::memory_order_relaxed);
  while (bytes < most) {
    const auto began = static_cast<uint32_t>(seen >> 32), stretch = static_cast<uint32_t>(seen);
    const uint32_t stretches = heap.stretches(), elapsed = since(began, now);
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
  return decay <= 0 ? 0 : decay == 1 ? 1 : static_cast<uint32_t>(decay / 2);
}

DecayWork take_decay_step(uint32_t now, DecayWork most) {
  if (decay_round_ms() == 0) return {};
  DecayWork done;
  done.chains = empty_some(most.chains);
  done.bytes = sweep_some(now, most.bytes);
  return done;
}

void hurry_decay(uint32_t now) {
  if (decay_round_ms() != 0) begin_round(now);
}

void poll_decay() {
  if (helper_works() || arena.settings.decay_ms <= 0) return;
  const uint32_t now = coarse_ms();
  if (last_polled.load(std::memory_order_relaxed) == now ||
      last_polled.exchange(now, std::memory_order_relaxed) == now)
    return;
  take_decay_step(now, kPolled);
}

}  // namespace tenure
