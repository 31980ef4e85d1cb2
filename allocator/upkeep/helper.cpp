#include "allocator/upkeep/helper.h"

#include <errno.h>
#include <signal.h>

#include "accounting/charge/process_memory.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/dead_caches.h"
#include "allocator/caches/high_watch.h"
#include "allocator/caches/reaper.h"
#include "allocator/fronts/cold_chains.h"
#include "allocator/hooks.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/waiting_slabs.h"
#include "allocator/upkeep/decay.h"
#include "allocator/upkeep/reclaim.h"
#include "base/system/sandbox.h"
#include "base/system/system_calls.h"

namespace tenure {

constinit std::atomic<HelperState> helper_state{HelperState::kNone};
constinit std::atomic<uint32_t> helper_sleep{kAwake};

namespace {

// Heaps that stay are looked at in turn.
constexpr size_t kHeapsLookedAt = 64;
// Turns in a round of the decay: the hand moves on in as many steps. A shorter interval would be a load of its own.
constexpr uint32_t kTurnsInRound = 16;
constexpr uint32_t kShortestMs = 10;
// Slabs that a turn collects: some 3 ms of it.
constexpr size_t kSlabsInTurn = 256;
// Between turns where there is no decay, or only tenants' leftovers or the pressure of the process to look at.
constexpr uint32_t kSlowTurnMs = 100;
// A call that was missed costs this long.
constexpr uint32_t kLongestSleepMs = 5000;
// A program that has just lost its last thread may be about to make the next one.
constexpr uint32_t kLeastLingerMs = 100;
// Free memory for which the helper does not stay.
constexpr size_t kNotWorthStaying = 4 * kMiB;

// Taken by the helper for a turn and by those who pause it. Acquire and release: each finds what the other has done.
constinit std::atomic<bool> turn_taken{false};

constinit std::atomic<int32_t> threads{0};
// Relaxed: flags that the helper, woken after they were set, acts upon.
constinit std::atomic<bool> main_thread_gone{false};
constinit std::atomic<bool> asked_to_end{false};
// The kernel's number of the helper that there is, or was last; 0: none. kUnknown where it may not be asked for.
constinit std::atomic<int32_t> helper_id{0};
constexpr int32_t kUnknown = -1;

timespec time_of(uint32_t ms) {
  return {static_cast<time_t>(ms / 1000), static_cast<long>(ms % 1000 * 1000000)};
}

void sleep_ms(uint32_t ms) { sys::sleep(time_of(ms)); }

// Goes to sleep, unless somebody has something to tell.
void sleep_as(HelperSleep how, uint32_t ms) {
  const bool shared = live::region_opened.load(std::memory_order_relaxed) && live::is_ours();
  // Before the last look at whether there is something to do.
  const uint32_t rung = shared ? live::doorbell_word() : 0;
  helper_sleep.store(how, std::memory_order_seq_cst);
  const bool told = asked_to_end.load(std::memory_order_seq_cst) ||
                    (how == kUntilCalled && threads.load(std::memory_order_seq_cst) == 0);
  if (!told && !shared) sys::wait_for(helper_sleep, how, time_of(ms));
  if (!told && shared && !live::requests_waiting()) live::sleep_at_doorbell(rung, ms);
  helper_sleep.store(kAwake, std::memory_order_relaxed);
}

void wake_from(uint32_t how) {
  if (!helper_sleep.compare_exchange_strong(how, kAwake, std::memory_order_seq_cst)) return;
  const int saved = errno;
  sys::wake_one(helper_sleep);
  if (live::region_opened.load(std::memory_order_relaxed) && live::is_ours())
    live::wake_from_doorbell();
  errno = saved;
}

// As far as can be told.
bool is_alive(int32_t id) {
  if (id == kUnknown || is_filtered())
    return helper_state.load(std::memory_order_seq_cst) != HelperState::kNone;
  return sys::is_thread(id);
}

bool watches_pressure() { return arena.settings.rss_limit_mib != 0 || arena.settings.cgroup != 0; }

class Turns {
public:
  // Whether the helper is still wanted. Nothing of the heap is touched but in a turn.
  bool take_one() {
    const uint32_t now = coarse_ms();
    if (turn_taken.exchange(true, std::memory_order_acquire)) return true;
    take(now);
    const bool wanted = is_wanted(now);
    turn_taken.store(false, std::memory_order_release);
    return wanted;
  }

  void rest() const {
    const uint32_t round = decay_round_ms();
    const uint32_t turn = round == 0 ? kSlowTurnMs : round / kTurnsInRound;
    // Two rounds in which nothing was found: all that had been free was visited twice.
    if (alone_ || coarse_ms() - last_work_ < 2 * round + kShortestMs)
      return sleep_as(kUntilTurn, turn < kShortestMs ? kShortestMs : turn);
    if (left_ || watches_pressure()) return sleep_as(kUntilTurn, kSlowTurnMs);
    sleep_as(kUntilCalled, kLongestSleepMs);
  }

private:
  void take(uint32_t now) {
    poll_live_requests(ServedBy::kHelper);
    follow_listeners();
    show_process_memory();
    // First, so that the caches can go in this turn.
    const size_t emptied = empty_dead_caches(root_tenant, SIZE_MAX, SIZE_MAX);
    const Reaped reaped = reap_heaps_in_steps(kHeapsLookedAt);
    reap_tenants();
    left_ = reaped.stay != 0 || reaped.destroyed;
    left_ |= reclaim_above_high();
    const DecayWork done =
        take_decay_step(now, {SIZE_MAX, SIZE_MAX, kSlabsInTurn}, decay_round_ms());
    look_at_pressure(Occasion::kControl);
    start_waiting_caches();
    if (done.any() || done.behind || emptied != 0 || reaped.destroyed) last_work_ = now;
  }

  bool is_wanted(uint32_t now) {
    if (threads.load(std::memory_order_seq_cst) > 0) {
      alone_ = false;
      return true;
    }
    if (main_thread_gone.load(std::memory_order_relaxed) ||
        asked_to_end.load(std::memory_order_relaxed))
      return false;
    if (arena.settings.helper == static_cast<int64_t>(HelperMode::kOn)) return true;
    if (!alone_) {
      alone_ = true;
      alone_since_ = now;
      hurry_decay(now);
      return true;
    }
    const uint32_t alone_ms = now - alone_since_;
    if (alone_ms < kLeastLingerMs) return true;
    const size_t free = arena.page_heap.free_bytes() + cold_bytes();
    return free > kNotWorthStaying && alone_ms < 4 * decay_round_ms() && alone_ms < kLongestSleepMs;
  }

  uint32_t last_work_ = coarse_ms();
  uint32_t alone_since_ = 0;
  bool alone_ = false;  // The program has no thread but the one it began with.
  bool left_ = false;   // Departed tenants have something left.
};

}  // namespace

void wake_helper_slow() { wake_from(kUntilCalled); }

void count_thread() { threads.fetch_add(1, std::memory_order_seq_cst); }

void uncount_thread() {
  if (threads.fetch_sub(1, std::memory_order_seq_cst) != 1) return;
  wake_from(kUntilCalled);
  if (main_thread_gone.load(std::memory_order_relaxed)) wake_from(kUntilTurn);
}

bool has_threads() { return threads.load(std::memory_order_seq_cst) > 0; }

void note_main_thread_gone() {
  main_thread_gone.store(true, std::memory_order_seq_cst);
  if (has_threads()) return;
  wake_from(kUntilCalled);
  wake_from(kUntilTurn);
}

void run_helper() {
  const int32_t id = is_filtered() ? kUnknown : static_cast<int32_t>(gettid());
  helper_id.store(id, std::memory_order_relaxed);
  helper_state.store(HelperState::kWorking, std::memory_order_seq_cst);
  for (;;) {
    live::show_helper(true);
    for (Turns turns; turns.take_one();) turns.rest();
    live::show_helper(false);
    helper_state.store(HelperState::kNone, std::memory_order_seq_cst);
    // A thread that was made since has seen either that, and starts another helper, or the one that worked.
    HelperState none = HelperState::kNone;
    if (!turn_taken.exchange(true, std::memory_order_acquire)) {
      watch_fronts_where_needed();
      turn_taken.store(false, std::memory_order_release);
    }
    if (!has_threads() || !helper_state.compare_exchange_strong(none, HelperState::kWorking,
                                                                std::memory_order_seq_cst))
      return;
  }
}

// The kernel counts a thread until it has been reaped, which is after its end as far as the program can tell.
bool end_helper() {
  bool seen_to_end = true;
  const int saved = errno;
  while (helper_state.load(std::memory_order_seq_cst) == HelperState::kStarting && !has_threads())
    sleep_ms(1);
  const int32_t id = helper_id.load(std::memory_order_relaxed);
  if (id != 0 && !has_threads()) {
    asked_to_end.store(true, std::memory_order_seq_cst);
    constexpr timespec kShort{0, 50 * 1000};
    while (!has_threads() && is_alive(id)) {
      wake_from(kUntilCalled);
      wake_from(kUntilTurn);
      sys::sleep(kShort);
    }
    asked_to_end.store(false, std::memory_order_seq_cst);
    helper_id.store(0, std::memory_order_relaxed);
    seen_to_end = id != kUnknown && !is_filtered();
  }
  errno = saved;
  return seen_to_end;
}

void await_helper_start() {
  constexpr int kMostMs = 100;
  const int saved = errno;
  for (int i = 0; i < kMostMs; ++i) {
    if (helper_state.load(std::memory_order_seq_cst) != HelperState::kStarting) break;
    sleep_ms(1);
  }
  errno = saved;
}

HelperPause::HelperPause() {
  while (turn_taken.exchange(true, std::memory_order_acquire)) sleep_ms(1);
}
HelperPause::~HelperPause() { turn_taken.store(false, std::memory_order_release); }

void repair_helper_after_fork() {
  // Written only where it changes: each page written to is a fault in each child.
  const auto reset = [](auto& word, auto value) {
    if (word.load(std::memory_order_relaxed) != value) word.store(value, std::memory_order_relaxed);
  };
  reset(turn_taken, false);
  reset(threads, 0);
  reset(asked_to_end, false);
  reset(helper_id, 0);
  reset(helper_sleep, uint32_t{kAwake});
  reset(helper_state, HelperState::kNone);
}

}  // namespace tenure
