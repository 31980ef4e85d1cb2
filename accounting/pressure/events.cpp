#include "accounting/pressure/events.h"

#include <errno.h>

#include "accounting/callbacks/user_call.h"
#include "accounting/pressure/reclaim.h"
#include "accounting/pressure/reclaim_state.h"
#include "accounting/tenants/own_region.h"
#include "accounting/tenants/tenant_tree.h"
#include "accounting/tenants/under_way.h"
#include "base/memory/meta_arena.h"
#include "base/system/system_calls.h"
#include "base/system/system_file.h"
#include "base/system/wait.h"
#include "base/words/atomic_update.h"

namespace tenure {
namespace {

// Tenants with handlers to run, each pinned. Pushed to from the malloc path, taken whole: no ABA.
constinit std::atomic<Notifier*> queue{nullptr};

// The number of forks between this process and the first. Changed in a child while it has one thread.
constinit std::atomic<uint32_t> generation{0};

// Numbers of attempts to queue. Entries that a fork child has found in its queue have the first number.
constexpr uint64_t kInherited = 1;
constinit std::atomic<uint64_t> attempts{kInherited};

// This thread puts a tenant into the queue.
struct Enqueueing : UnderWay {
  static constexpr Kind kKind = Kind::kEnqueue;
  explicit Enqueueing(Notifier& its)
      : UnderWay(kKind), notifier(its),
        number(attempts.fetch_add(1, std::memory_order_relaxed) + 1) {
    begin();
  }
  ~Enqueueing() { end(); }

  Notifier& notifier;
  const uint64_t number;
  bool claimed = false;  // For events_after_fork_child().
};

// This thread runs handlers.
struct Running : UnderWay {
  static constexpr Kind kKind = Kind::kHandlers;
  Running() : UnderWay(kKind) { begin(); }
  ~Running() { end(); }

  Notifier* rest = nullptr;  // Taken from the queue and not visited yet.
  Listener* called = nullptr;
};

void push(Notifier& notifier) {
  Notifier* head = queue.load(std::memory_order_relaxed);
  do {
    notifier.next = head;
    // Release: pairs with the exchange in run_event_handlers().
  } while (!queue.compare_exchange_weak(head, &notifier, std::memory_order_release,
                                        std::memory_order_relaxed));
}

void enqueue(Notifier& notifier) {
  // Acquire-release, and a read-modify-write: pairs with the exchange in run_handlers_of(); a bit set
  // before is seen by the run that will clear `queued`.
  const auto is_queued = [&notifier] {
    return notifier.queued.fetch_add(0, std::memory_order_acq_rel) != 0;
  };
  if (is_queued()) return;
  const Enqueueing attempt(notifier);
  for (uint64_t none = 0; !notifier.queued.compare_exchange_strong(
           none, attempt.number, std::memory_order_acq_rel, std::memory_order_relaxed);
       none = 0) {
    if (is_queued()) return;
  }
  if (notifier.tenant->pin())
    push(notifier);  // Otherwise the tenant is about to be freed, and has no listener any more.
}

constexpr uint64_t kChanging = uint64_t{1} << 31;
constexpr uint64_t kCalls = kChanging - 1;
constexpr unsigned kGenerationShift = 32;

// The word without the calls of an earlier generation.
uint64_t of_this_process(uint64_t calls) {
  const uint64_t now = generation.load(std::memory_order_relaxed);
  return calls >> kGenerationShift == now ? calls : now << kGenerationShift;
}

// False while the handler is being changed. Acquire: pairs with the release at the end of a change.
bool enter(Listener& listener) {
  return atomic_update(listener.calls,
                       [](uint64_t word) -> std::optional<uint64_t> {
                         word = of_this_process(word);
                         if ((word & kChanging) != 0) return std::nullopt;
                         return word + 1;
                       })
      .has_value();
}
// Release: the handler's work comes before the end of the change that waits for it.
void leave(Listener& listener) { listener.calls.fetch_sub(1, std::memory_order_release); }

// The unfinished calls of the handler on this thread. A handler may change itself.
uint64_t own_calls(const Listener& listener) {
  uint64_t own = 0;
  for_each_under_way<Running>([&](const Running& run) { own += run.called == &listener; });
  return own;
}

// False if the wait would include another call of this thread, or if that call might wait for this one.
bool may_wait_for_handlers() {
  bool inside = false;
  for_each_under_way<Running>([&inside](const Running& own) { inside |= own.called != nullptr; });
  return !inside && !in_reclaim() && !grace::in_read_section();
}

// Afterwards this thread may change the handler: no other thread's call is under way, and none begins. False if it would have to wait and
// may not.
bool start_change(Listener& listener) {
  const bool may_wait = may_wait_for_handlers();
  const uint64_t own = own_calls(listener);
  for (unsigned looks = 0;; wait_before_look(looks++)) {
    const auto started =
        atomic_update(listener.calls, [&](uint64_t word) -> std::optional<uint64_t> {
          word = of_this_process(word);
          if ((word & kChanging) != 0 || (!may_wait && (word & kCalls) != own)) return std::nullopt;
          return word | kChanging;
        });
    if (started) break;
    if (!may_wait) return false;
  }
  for (unsigned looks = 0; (listener.calls.load(std::memory_order_acquire) & kCalls) != own;)
    wait_before_look(looks++);
  return true;
}

// Runs the pending handlers of one tenant; returns how many.
size_t run_handlers_of(Notifier& notifier, Running& run) {
  // The tenant leaves the queue first, and its bits are read afterwards, so that a bit set in between queues it again. Acquire: the bits of
  // threads that found the tenant queued already; pairs with enqueue().
  notifier.queued.exchange(0, std::memory_order_acq_rel);
  const uint32_t pending = notifier.pending.exchange(0, std::memory_order_acq_rel);
  size_t count = 0;
  for (unsigned kind = 0; kind < kEventKinds; ++kind) {
    if ((pending & 1u << kind) == 0) continue;
    Listener& listener = notifier.listeners[kind];
    if (!enter(listener)) {
      // The event belongs to the next handler, if there is one. The thread that sets it runs handlers afterwards.
      notifier.pending.fetch_or(1u << kind, std::memory_order_acq_rel);
      enqueue(notifier);
      continue;
    }
    if (EventHandler handler = listener.handler.load(std::memory_order_relaxed)) {
      run.called = &listener;
      call_handler(handler, *notifier.tenant, static_cast<EventKind>(kind),
                   listener.argument.load(std::memory_order_relaxed));
      run.called = nullptr;
      ++count;
    }
    leave(listener);
  }
  return count;
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

// In a read section from the load of the mask to the write; set_eventfd() waits for its end. Each kind is reported once until it is read,
// so this is rare.
void tell_eventfd(Notifier& notifier, uint32_t bit) {
  if ((notifier.eventfd_mask.load(std::memory_order_relaxed) & bit) == 0) return;
  grace::ReadSection section;
  // Acquire: pairs with the release in set_eventfd().
  if ((notifier.eventfd_mask.load(std::memory_order_acquire) & bit) == 0) return;
  if ((notifier.unread.fetch_or(bit, std::memory_order_acq_rel) & bit) != 0) return;
  const int fd = notifier.eventfd.load(std::memory_order_acquire);
  const int saved = errno;
  const uint64_t one = 1;
  // A full eventfd is readable already, and must not block this thread. A closed one has no reader.
  if (fd >= 0 && sys::is_writable(fd) && sys::write(fd, &one, sizeof one) < 0) {
  }
  errno = saved;
}

}  // namespace

void record_event(Tenant& tenant, EventKind kind) {
  tenant.counter.count_event(static_cast<unsigned>(kind));
  count_event_above(tenant, kind);
  show_event(tenant, static_cast<live::EventKind>(kind));
  Notifier* notifier = tenant.notifier.load(std::memory_order_acquire);
  if (notifier == nullptr) return;
  const uint32_t bit = bit_of(kind);
  tell_eventfd(*notifier, bit);
  if ((notifier->handled.load(std::memory_order_relaxed) & bit) != 0) {
    // Release: pairs with the exchange in run_event_handlers().
    notifier->pending.fetch_or(bit, std::memory_order_acq_rel);
    enqueue(*notifier);
  }
}

int set_eventfd(Tenant& tenant, int eventfd, uint32_t mask) {
  if (eventfd >= 0) {
    const EventfdCheck found = check_eventfd(eventfd);
    if (found != EventfdCheck::kGood) return found == EventfdCheck::kClosed ? -EBADF : -EINVAL;
  }
  MutexGuard guard(tenants_mutex);
  if (eventfd >= 0 && !tenant.online()) return -ENODEV;
  Notifier* notifier = notifier_of(tenant);
  if (notifier == nullptr) return -ENOMEM;
  for (;;) {
    const bool replaces = notifier->eventfd.load(std::memory_order_relaxed) >= 0;
    if (!replaces && grace::poll(notifier->replaced)) break;
    if (grace::in_read_section()) return -EDEADLK;
    if (replaces) {
      notifier->eventfd_mask.store(0, std::memory_order_relaxed);
      notifier->eventfd.store(-1, std::memory_order_relaxed);
      notifier->replaced = grace::start_poll();
    }
    // Waits without the lock, because a visit of tenants, which is a read section, may take the lock. Another thread may set another
    // eventfd meanwhile.
    tenants_mutex.unlock();
    grace::synchronize();
    tenants_mutex.lock();
  }
  notifier->unread.store(0, std::memory_order_relaxed);
  if (eventfd < 0) return 0;
  notifier->eventfd.store(eventfd, std::memory_order_relaxed);
  notifier->eventfd_mask.store(mask, std::memory_order_release);
  return 0;
}

uint32_t read_events(Tenant& tenant) {
  Notifier* notifier = tenant.notifier.load(std::memory_order_acquire);
  return notifier ? notifier->unread.exchange(0, std::memory_order_acq_rel) : 0;
}

int set_event_handler(Tenant& tenant, EventKind kind, EventHandler handler, void* argument) {
  Notifier* notifier;
  {
    MutexGuard guard(tenants_mutex);
    if (handler && !tenant.online()) return -ENODEV;
    notifier = notifier_of(tenant);
  }
  if (notifier == nullptr) return -ENOMEM;
  Listener& listener = notifier->listeners[static_cast<unsigned>(kind)];
  if (!start_change(listener)) return -EDEADLK;
  // In this order a fork child finds no handler with the argument of another.
  listener.handler.store(nullptr, std::memory_order_relaxed);
  listener.argument.store(argument, std::memory_order_release);
  listener.handler.store(handler, std::memory_order_release);
  if (handler) {
    notifier->handled.fetch_or(bit_of(kind), std::memory_order_relaxed);
  } else {
    notifier->handled.fetch_and(~bit_of(kind), std::memory_order_relaxed);
    notifier->pending.fetch_and(~bit_of(kind), std::memory_order_relaxed);
  }
  // Release: pairs with enter().
  listener.calls.fetch_and(~kChanging, std::memory_order_release);
  return 0;
}

bool events_pending() { return queue.load(std::memory_order_relaxed) != nullptr; }

size_t run_event_handlers() {
  if (!events_pending()) return 0;
  if (holds_lock() || grace::in_read_section() || in_reclaim()) return 0;
  size_t count = 0;
  Running run;
  // Acquire: pairs with the push in enqueue().
  run.rest = queue.exchange(nullptr, std::memory_order_acquire);
  while (Notifier* notifier = run.rest) {
    run.rest = notifier->next;
    count += run_handlers_of(*notifier, run);
    notifier->tenant->unpin();  // enqueue()'s.
  }
  return count;
}

// A fork in a handler finds this thread's own run with the tenants that it has not visited yet. A fork in a signal handler may find an
// attempt to queue between its claim and its push; the attempt goes on afterwards.
void events_after_fork_child() {
  generation.fetch_add(1, std::memory_order_relaxed);
  for_each_under_way<Enqueueing>([](Enqueueing& own) {
    own.claimed = own.notifier.queued.load(std::memory_order_relaxed) == own.number;
  });
  const auto for_each_notifier = [](auto fn) {
    for_each_in_subtree(root_tenant, [&fn](Tenant& tenant) {
      if (Notifier* notifier = tenant.notifier.load(std::memory_order_relaxed)) fn(*notifier);
      return true;
    });
  };
  for_each_notifier([](Notifier& n) { n.queued.store(0, std::memory_order_relaxed); });
  const auto keep = [](Notifier* n) {
    for (; n != nullptr; n = n->next) n->queued.store(kInherited, std::memory_order_relaxed);
  };
  keep(queue.load(std::memory_order_acquire));
  for_each_under_way<Running>([&keep](Running& own) {
    keep(own.rest);
    if (own.called == nullptr) return;
    const uint64_t calls = own.called->calls.load(std::memory_order_relaxed);
    own.called->calls.store(of_this_process(calls) + 1, std::memory_order_relaxed);
  });
  for_each_under_way<Enqueueing>([](Enqueueing& own) {
    uint64_t none = 0;
    if (own.claimed) own.notifier.queued.compare_exchange_strong(none, own.number);
  });
  // A pin of a vanished thread only keeps memory.
  for_each_notifier([](Notifier& n) {
    if (n.pending.load(std::memory_order_relaxed) != 0) enqueue(n);
  });
}

}  // namespace tenure
