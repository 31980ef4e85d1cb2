// The listeners of one tenant: what a tenant has only once somebody asks for its events (accounting/pressure/events.h).
#pragma once

#include <atomic>
#include <cstdint>

#include "accounting/tenants/event_kind.h"
#include "rcu/grace.h"

namespace tenure {

// One kind's handler. It and its argument are written by whoever has set the bit "being changed" in
// `calls`, while no call is under way, and read by who has counted a call.
struct Listener {
  std::atomic<EventHandler> handler{nullptr};
  std::atomic<void*> argument{nullptr};
  // {generation of the process : 32, being changed : 1, calls under way : 31}. The calls that an earlier
  // generation counted are those of threads of the fork's parent. Changed by compare-and-swap.
  std::atomic<uint64_t> calls{0};
};

// A tenant's listeners, made for the first one. Lives as long as the tenant.
struct Notifier {
  explicit Notifier(Tenant* owner) : tenant(owner) {}

  Tenant* const tenant;
  std::atomic<int> eventfd{-1};           // The listener's; -1 none.
  std::atomic<uint32_t> eventfd_mask{0};  // The kinds that it is told of.
  std::atomic<uint32_t> unread{0};        // Kinds told and not yet read: they are not told again.
  std::atomic<uint32_t> handled{0};       // Kinds with a handler.
  std::atomic<uint32_t> pending{0};       // Kinds whose handler is to run.
  grace::Cookie replaced =
      0;  // When it has passed nobody writes to an earlier eventfd. Under tenants_mutex.
  // In the queue of run_event_handlers(), or on its way there: the number of the attempt. 0: not.
  std::atomic<uint64_t> queued{0};
  Notifier* next = nullptr;  // The queue's.
  Listener listeners[kEventKinds];
};

}  // namespace tenure
