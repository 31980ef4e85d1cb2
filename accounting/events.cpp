#include "accounting/events.h"

#include <errno.h>

#include "accounting/tenant.h"
#include "base/meta_arena.h"
#include "base/system_calls.h"

namespace tenure {
namespace {

// Tenants with handlers to run, each pinned. Pushed to from the malloc path, taken whole: no ABA.
constinit std::atomic<Notifier*> queue{nullptr};

void enqueue(Notifier& notifier) {
  // Acquire-release: pairs with the exchange in run_event_handlers(); a bit set before a lost
  // exchange is seen by the run that will clear `queued`.
  if (notifier.queued.exchange(true, std::memory_order_acq_rel)) return;
  if (!notifier.tenant->pin()) return;  // About to be freed: nobody listens any more.
  Notifier* head = queue.load(std::memory_order_relaxed);
  do {
    notifier.next = head;
    // Release: pairs with the exchange in run_event_handlers().
  } while (!queue.compare_exchange_weak(head, &notifier, std::memory_order_release,
                                        std::memory_order_relaxed));
}

// Under tenants_mutex.
Notifier* notifier_of(Tenant& tenant) {
  Notifier* notifier = tenant.notifier.load(std::memory_order_relaxed);
  if (notifier == nullptr) {
    notifier = meta_arena.create<Notifier>(&tenant);
    // Release: pairs with the loads in record_event() and read_events().
    tenant.notifier.store(notifier, std::memory_order_release);
  }
  return notifier;
}

}  // namespace

void record_event(Tenant& tenant, EventKind kind) {
  tenant.events[static_cast<unsigned>(kind)].fetch_add(1, std::memory_order_relaxed);
  Notifier* notifier = tenant.notifier.load(std::memory_order_acquire);
  if (notifier == nullptr) return;
  const uint32_t bit = bit_of(kind);
  if ((notifier->eventfd_mask.load(std::memory_order_relaxed) & bit) != 0 &&
      (notifier->unread.fetch_or(bit, std::memory_order_acq_rel) & bit) == 0) {
    const int fd = notifier->eventfd.load(std::memory_order_acquire);
    const int saved = errno;
    const uint64_t one = 1;
    // Told once until read, so the eventfd's counter cannot fill up and block us. If it was closed,
    // nobody is there to tell.
    if (fd >= 0 && sys::write(fd, &one, sizeof one) < 0) {
    }
    errno = saved;
  }
  if ((notifier->handled.load(std::memory_order_relaxed) & bit) != 0) {
    // Release: pairs with the exchange in run_event_handlers().
    notifier->pending.fetch_or(bit, std::memory_order_acq_rel);
    enqueue(*notifier);
  }
}

int set_eventfd(Tenant& tenant, int eventfd, uint32_t mask) {
  MutexGuard guard(tenants_mutex);
  Notifier* notifier = notifier_of(tenant);
  if (notifier == nullptr) return -ENOMEM;
  notifier->eventfd_mask.store(0, std::memory_order_relaxed);
  notifier->unread.store(0, std::memory_order_relaxed);
  notifier->eventfd.store(eventfd, std::memory_order_release);
  notifier->eventfd_mask.store(eventfd < 0 ? 0 : mask, std::memory_order_release);
  return 0;
}

uint32_t read_events(Tenant& tenant) {
  Notifier* notifier = tenant.notifier.load(std::memory_order_acquire);
  return notifier ? notifier->unread.exchange(0, std::memory_order_acq_rel) : 0;
}

int set_event_handler(Tenant& tenant, EventKind kind, EventHandler handler, void* argument) {
  MutexGuard guard(tenants_mutex);
  Notifier* notifier = notifier_of(tenant);
  if (notifier == nullptr) return -ENOMEM;
  const auto index = static_cast<unsigned>(kind);
  notifier->handlers[index] = handler;
  notifier->arguments[index] = argument;
  if (handler) {
    notifier->handled.fetch_or(bit_of(kind), std::memory_order_relaxed);
  } else {
    notifier->handled.fetch_and(~bit_of(kind), std::memory_order_relaxed);
  }
  return 0;
}

bool events_pending() { return queue.load(std::memory_order_relaxed) != nullptr; }

size_t run_event_handlers() {
  if (!events_pending()) return 0;
  size_t count = 0;
  // Acquire: pairs with the push in enqueue().
  Notifier* notifier = queue.exchange(nullptr, std::memory_order_acquire);
  while (notifier != nullptr) {
    Notifier* next = notifier->next;
    Tenant& tenant = *notifier->tenant;
    // First out of the queue, then the bits: a bit set in between queues it again. Acquire: the
    // bits of those who found it queued and left it at that; pairs with the exchange in enqueue().
    notifier->queued.exchange(false, std::memory_order_acq_rel);
    const uint32_t pending = notifier->pending.exchange(0, std::memory_order_acq_rel);
    for (unsigned kind = 0; kind < kEventKinds; ++kind) {
      if ((pending & 1u << kind) == 0) continue;
      tenants_mutex.lock();
      EventHandler handler = notifier->handlers[kind];
      void* argument = notifier->arguments[kind];
      tenants_mutex.unlock();
      if (handler == nullptr) continue;
      handler(tenant, static_cast<EventKind>(kind), argument);
      ++count;
    }
    tenant.unpin();  // enqueue()'s.
    notifier = next;
  }
  return count;
}

}  // namespace tenure
