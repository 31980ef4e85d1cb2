// What happened to a tenant at its limits: counters always; an eventfd and handlers where someone
// asked.
//
// The malloc path only counts, sets a bit and, the first time since the listener last looked,
// writes to the eventfd or queues the tenant. Handlers run later, from run_event_handlers(), with
// no lock held and outside signal handlers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tenure {

struct Tenant;

enum class EventKind : uint8_t {
  kLow,       // Reclaim took memory below the tenant's low protection.
  kHigh,      // Usage went above high.
  kMax,       // A charge met max, before reclaim.
  kOverdraw,  // A charge was granted above max by policy.
  kAbort,     // Policy abort was about to end the process.
};
constexpr unsigned kEventKinds = 5;
constexpr uint32_t bit_of(EventKind kind) { return 1u << static_cast<unsigned>(kind); }

using EventHandler = void (*)(Tenant& tenant, EventKind kind, void* argument);

// What a tenant has only once someone listens. Lives as long as the tenant.
struct Notifier {
  explicit Notifier(Tenant* owner) : tenant(owner) {}

  Tenant* const tenant;
  std::atomic<int> eventfd{-1};             // The listener's; -1 none.
  std::atomic<uint32_t> eventfd_mask{0};    // Which kinds it is told of.
  std::atomic<uint32_t> unread{0};          // Kinds told and not yet read: they are not told again.
  std::atomic<uint32_t> handled{0};         // Kinds with a handler.
  std::atomic<uint32_t> pending{0};         // Kinds whose handler is to run.
  std::atomic<bool> queued{false};          // In the queue of run_event_handlers().
  Notifier* next = nullptr;                 // The queue's.
  EventHandler handlers[kEventKinds] = {};  // Under tenants_mutex.
  void* arguments[kEventKinds] = {};        // Under tenants_mutex.
};

// Counts the event and tells listeners. In a read section or with a pin on the tenant. Lock-free,
// async-signal-safe, keeps errno.
void record_event(Tenant& tenant, EventKind kind);

// From now on the kinds of `mask` (bit_of) make `eventfd` readable; -1: none. The descriptor stays
// the caller's; the tenant's last eventfd must not be closed before it has been replaced. Told once
// until read_events(). 0 or -ENOMEM.
int set_eventfd(Tenant& tenant, int eventfd, uint32_t mask);
// Which kinds have happened since the last call (among those an eventfd is told of); they are told
// again from now on.
uint32_t read_events(Tenant& tenant);

// Runs `handler` for every burst of the event; nullptr: no more. A call that has begun may outlast
// the change. 0 or -ENOMEM. Takes tenants_mutex.
int set_event_handler(Tenant& tenant, EventKind kind, EventHandler handler, void* argument);
// Runs the handlers of what has happened; returns how many. Called by checkpoints and at the end of
// control operations, never by malloc or free. No lock held, not in a read section. What handlers
// allocate is the caller's to charge (to the root).
size_t run_event_handlers();
// Whether there is something to run: one load.
bool events_pending();

}  // namespace tenure
