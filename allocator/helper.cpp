#include "allocator/helper.h"

#include "accounting/tenant_tree.h"
#include "allocator/arena.h"
#include "allocator/dead_caches.h"
#include "allocator/reaper.h"
#include "allocator/reclaim.h"
#include "base/system_calls.h"

namespace tenure {
namespace {

// Heaps that stay are looked at in turn.
constexpr size_t kHeapsLookedAt = 64;
// A shorter interval would be a load of its own.
constexpr int64_t kShortestMs = 10;

// Taken by the helper for a turn and by those who pause it. Acquire and release: each finds what the other has done.
constinit std::atomic<bool> turn_taken{false};

void take_turn() {
  for (size_t done = 0; done < kHeapsLookedAt; done += kHeapsInAStep) {
    MutexGuard guard(tenants_mutex);
    reap_heaps(kHeapsInAStep);
  }
  empty_dead_caches(root_tenant, SIZE_MAX, SIZE_MAX);
  reap_tenants();
  poll_decay();
  look_at_pressure(Occasion::kControl);
}

void sleep_ms(int64_t ms) {
  const timespec time{static_cast<time_t>(ms / 1000), static_cast<long>(ms % 1000 * 1000000)};
  sys::sleep(time);
}

}  // namespace

void run_helper() {
  const int64_t asked_ms = arena.settings.helper_ms;
  for (;;) {
    sleep_ms(asked_ms < kShortestMs ? kShortestMs : asked_ms);
    if (turn_taken.exchange(true, std::memory_order_acquire)) continue;
    take_turn();
    turn_taken.store(false, std::memory_order_release);
  }
}

HelperPause::HelperPause() {
  while (turn_taken.exchange(true, std::memory_order_acquire)) sleep_ms(1);
}
HelperPause::~HelperPause() { turn_taken.store(false, std::memory_order_release); }

void repair_helper_after_fork() {
  if (turn_taken.load(std::memory_order_relaxed))
    turn_taken.store(false, std::memory_order_relaxed);
}

}  // namespace tenure
