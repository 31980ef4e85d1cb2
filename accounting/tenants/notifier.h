// The listeners of one tenant. A tenant gets this structure when the program first asks for its events (accounting/pressure/events.h).
#pragma once

#include <atomic>
#include <cstdint>

#include "accounting/tenants/event_kind.h"
#include "rcu/grace.h"

namespace tenure {

// The handler of one kind of event. The thread that has set the bit "being changed" in `calls` writes the handler and its argument, while
// no call is under way. A thread that has counted a call reads them.
struct Listener {
  std::atomic<EventHandler> handler{nullptr};
  std::atomic<void*> argument{nullptr};
  // {generation of the process : 32, being changed : 1, calls under way : 31}. Calls counted by an earlier generation belong to threads of
  // the fork's parent. Changed by compare-and-swap.
  std::atomic<uint64_t> calls{0};
};

// A tenant's listeners, made for the first one. Lives as long as the tenant.
struct Notifier {
  explicit Notifier(Tenant* owner) : tenant(owner) {}

  Tenant* const tenant;
  std::atomic<int> eventfd{-1};           // The listener's; -1 none.
  std::atomic<uint32_t> eventfd_mask{0};  // The kinds that the eventfd reports.
  std::atomic<uint32_t> unread{
      0};  // Kinds that were reported and not read yet. They are not reported again.
  std::atomic<uint32_t> handled{0};  // Kinds with a handler.
  std::atomic<uint32_t> pending{0};  // Kinds whose handler has to run.
  grace::Cookie replaced =
      0;  // After this grace period no thread writes to an earlier eventfd. Under tenants_mutex.
  // The number of the attempt, if the notifier is in the queue of run_event_handlers() or on its way there; else 0.
  std::atomic<uint64_t> queued{0};
  Notifier* next = nullptr;  // The queue's.
  Listener listeners[kEventKinds];
};

}  // namespace tenure
