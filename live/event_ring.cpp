#include "live/event_ring.h"

#include <atomic>

#include "base/system/clock.h"
#include "base/system/fence.h"
#include "live/region.h"

namespace tenure::live {
namespace {

// The authoritative number of events. The number in the region is for other processes to read.
constinit std::atomic<uint64_t> written{0};

constexpr uint64_t kTickUs = 100'000;

template <typename T>
void show(T& field, T value) {
  std::atomic_ref(field).store(value, std::memory_order_relaxed);
}

}  // namespace

void show_event(EventKind kind, uint32_t slot, uint32_t id, const EventNumbers& numbers) {
  if (!is_open()) return;
  const uint64_t now = monotonic_us();
  const auto number_of_kind = static_cast<uint32_t>(kind);
  if (number_of_kind < static_cast<uint32_t>(EventKind::kCreated)) {
    if (!is_first_in_tick(slot, static_cast<uint32_t>(now / kTickUs), number_of_kind)) return;
  }
  Event* const ring = events();
  if (ring == nullptr) return;
  const uint64_t number = written.fetch_add(1, std::memory_order_relaxed);
  Event& event = ring[number % kEventEntries];
  std::atomic_ref(event.sequence).store(0, std::memory_order_relaxed);
  // Orders the 0 before what follows; pairs with the reader's loads.
  release_fence();
  show(event.time_us, now);
  show(event.kind, number_of_kind);
  show(event.slot, slot);
  show(event.generation, generation_of(slot));
  show(event.id, id);
  show(event.usage, numbers.usage);
  show(event.limit, numbers.limit);
  show(event.bytes, numbers.bytes);
  show(event.argument, numbers.argument);
  std::atomic_ref(event.sequence).store(number + 1, std::memory_order_release);
  std::atomic_ref(header().events_written).store(number + 1, std::memory_order_release);
}

void start_events_anew() { written.store(0, std::memory_order_relaxed); }

}  // namespace tenure::live
