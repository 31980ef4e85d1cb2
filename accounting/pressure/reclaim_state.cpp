#include "accounting/pressure/reclaim_state.h"

#include "accounting/tenants/tenant.h"
#include "accounting/tenants/tenant_ids.h"
#include "base/memory/meta_arena.h"
#include "base/system/check.h"
#include "base/system/fence.h"
#include "base/words/attributes.h"
#include "rcu/rcu_array.h"

namespace tenure {
namespace {

constinit RcuArray<ReclaimState> states;
constinit ReclaimState root_state{&root_tenant};
// A mark was lost: from then on every tenant counts as marked. Relaxed: set after the item is on its
// list, seen some time later.
constinit std::atomic<bool> marks_lost{false};

void retire(uint32_t id, ReclaimState* state) {
  if (!states.clear_if(id, state)) return;
  // A thread that still finds it is in a read section; its count is lost with the tenant.
  deferred::defer(state->item, [](DeferredItem* item) {
    auto* bytes = reinterpret_cast<char*>(item) - __builtin_offsetof(ReclaimState, item);
    meta_arena.release(bytes, sizeof(ReclaimState));
  });
}

std::atomic<uint64_t>& word_of(ReclaimState& state, uint32_t shrinker) {
  return state.shrinkers[shrinker / 64];
}
uint64_t bit_of(uint32_t shrinker) { return 1ULL << shrinker % 64; }

constinit std::atomic<uint64_t> looks{0};

void forget_fruitless(Tenant& tenant) {
  for (Tenant* at = &tenant; at != nullptr; at = at->parent()) {
    // A look that begins later checks a state that is made later.
    if (ReclaimState* state = find_reclaim_state(*at))
      state->fruitless.store(0, std::memory_order_release);
  }
}

}  // namespace

ReclaimState* find_reclaim_state(Tenant& tenant) {
  if (&tenant == &root_tenant) return &root_state;
  if (&tenant == &nobody) return nullptr;
  ReclaimState* const state = states.load(index_of(tenant.id()));
  return state && state->owner == &tenant ? state : nullptr;
}

ReclaimState* make_reclaim_state(Tenant& tenant) {
  if (ReclaimState* state = find_reclaim_state(tenant)) return state;
  if (!tenant.online() || &tenant == &nobody) return nullptr;
  auto* fresh = meta_arena.create<ReclaimState>(&tenant);
  if (fresh == nullptr) return nullptr;
  ReclaimState* const found = states.publish(index_of(tenant.id()), fresh);
  if (found != fresh) {
    meta_arena.release(fresh, sizeof *fresh);
    return found;
  }
  // As for the lists of an LRU: either offline sees the published state, or this thread sees the offline.
  full_fence();
  if (TENURE_LIKELY(tenant.online())) return fresh;
  retire(index_of(tenant.id()), fresh);
  return nullptr;
}

void drop_reclaim_state(Tenant& tenant) {
  full_fence();  // make_reclaim_state()
  grace::ReadSection section;
  if (ReclaimState* state = find_reclaim_state(tenant)) retire(index_of(tenant.id()), state);
}

void drop_forgotten_reclaim_states() {
  states.for_each([](uint32_t id, ReclaimState* state) {
    if (tenants_by_id.load(id) != state->owner) retire(id, state);
    return true;
  });
}

void mark_shrinker(Tenant& tenant, uint32_t shrinker) {
  ReclaimState* const state = make_reclaim_state(tenant);
  if (state == nullptr) {
    // A departing tenant takes no mark. Its lists go up, and the thread that sends them marks again.
    if (tenant.online()) marks_lost.store(true, std::memory_order_relaxed);
    return;
  }
  std::atomic<uint64_t>& word = word_of(*state, shrinker);
  // The item is on its list already. Partner: clear_shrinker_mark(), after which the shrinker
  // counts once more: one of the two sees the other.
  full_fence();
  if ((word.load(std::memory_order_relaxed) & bit_of(shrinker)) != 0) return;
  forget_fruitless(tenant);
  word.fetch_or(bit_of(shrinker), std::memory_order_seq_cst);
  forget_fruitless(tenant);
}

bool shrinker_marked(Tenant& tenant, uint32_t shrinker) {
  if (marks_lost.load(std::memory_order_relaxed)) return true;
  ReclaimState* const state = find_reclaim_state(tenant);
  return state &&
         (word_of(*state, shrinker).load(std::memory_order_relaxed) & bit_of(shrinker)) != 0;
}

bool any_shrinker_marked(Tenant& tenant) {
  if (marks_lost.load(std::memory_order_relaxed)) return true;
  ReclaimState* const state = find_reclaim_state(tenant);
  if (state == nullptr) return false;
  uint64_t any = 0;
  for (const auto& word : state->shrinkers) any |= word.load(std::memory_order_relaxed);
  return any != 0;
}

void clear_shrinker_mark(Tenant& tenant, uint32_t shrinker) {
  grace::ReadSection section;
  if (ReclaimState* state = find_reclaim_state(tenant)) {
    word_of(*state, shrinker).fetch_and(~bit_of(shrinker), std::memory_order_seq_cst);
    full_fence();  // mark_shrinker()
  }
}

uint64_t whole_objects(Tenant& tenant, uint32_t shrinker, uint64_t share) {
  constexpr unsigned kFractionBits = 16;
  constexpr uint64_t kFraction = (1 << kFractionBits) - 1;
  grace::ReadSection section;
  ReclaimState* const state = make_reclaim_state(tenant);
  if (state == nullptr) return (share + kFraction) >> kFractionBits;
  std::atomic<uint32_t>& cell = state->carried[shrinker % kCarries];
  const uint32_t carried = cell.load(std::memory_order_relaxed);
  // Parts of another shrinker in the same place are dropped.
  const uint64_t sum = share + (carried >> kFractionBits == shrinker ? carried & kFraction : 0);
  cell.store(static_cast<uint32_t>(shrinker << kFractionBits | (sum & kFraction)),
             std::memory_order_relaxed);
  return sum >> kFractionBits;
}

void count_event_above(Tenant& tenant, EventKind kind) {
  grace::ReadSection section;
  for (Tenant* at = tenant.parent(); at != nullptr; at = at->parent()) {
    if (ReclaimState* state = make_reclaim_state(*at))
      state->events_below[static_cast<unsigned>(kind)].fetch_add(1, std::memory_order_relaxed);
  }
}

uint64_t events_below(Tenant& tenant, EventKind kind) {
  grace::ReadSection section;
  const ReclaimState* const state = find_reclaim_state(tenant);
  return state ? state->events_below[static_cast<unsigned>(kind)].load(std::memory_order_relaxed)
               : 0;
}

bool nothing_to_shrink(Tenant& top) {
  uint64_t word = 0;
  {
    grace::ReadSection section;
    // Acquire: pairs with the exchange in end_fruitless_look().
    if (const ReclaimState* state = find_reclaim_state(top))
      word = state->fruitless.load(std::memory_order_acquire);
  }
  return word != 0 && (word & 1) == 0 && grace::poll(word / 2) &&
         !marks_lost.load(std::memory_order_relaxed);
}

uint64_t begin_look(Tenant& top) {
  grace::ReadSection section;
  ReclaimState* const state = make_reclaim_state(top);
  if (state == nullptr) return 0;
  const uint64_t number = looks.fetch_add(1, std::memory_order_relaxed) * 2 + 1;
  state->fruitless.exchange(number, std::memory_order_acq_rel);
  return number;
}

void end_fruitless_look(Tenant& top, uint64_t number) {
  grace::ReadSection section;
  ReclaimState* const state = find_reclaim_state(top);
  if (state == nullptr || number == 0) return;
  const grace::Cookie cookie = grace::start_poll();
  state->fruitless.compare_exchange_strong(number, cookie * 2, std::memory_order_acq_rel);
}

void forget_stalled_threads(uint64_t now_us) {
  root_state.pressure.forget_threads(now_us);
  states.for_each([now_us](uint32_t, ReclaimState* state) {
    state->pressure.forget_threads(now_us);
    return true;
  });
}

size_t reclaim_states_bytes() {
  size_t bytes = states.bytes();
  states.for_each(
      [&bytes](uint32_t, ReclaimState*) { return (bytes += sizeof(ReclaimState)) != 0; });
  return bytes;
}

}  // namespace tenure
