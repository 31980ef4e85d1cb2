// Events of a tenant at its limits: counters always; an eventfd and handlers where someone
// asked.
//
// The malloc path only counts, sets a bit and, the first time since the listener last looked,
// writes to the eventfd or queues the tenant. Handlers run later, from run_event_handlers(), with
// no lock held and outside signal handlers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "accounting/callbacks/user_call.h"
#include "accounting/tenants/notifier.h"
#include "rcu/grace.h"

namespace tenure {

struct Tenant;

// Counts the event and tells listeners. In a read section or with a pin on the tenant. Lock-free,
// async-signal-safe, keeps errno.
void record_event(Tenant& tenant, EventKind kind);

// From now on the kinds of `mask` (bit_of) make `eventfd` readable; -1: none. The descriptor stays
// the caller's (a duplicate of our own would count against its limit, and be closed under us by who
// closes all descriptors); afterwards nobody writes to the tenant's last one any more, so that it may
// be closed: where there was one, this waits for a grace period. Told once until read_events(). 0,
// -EBADF, -EINVAL (no eventfd), -ENODEV (not online; -1 may be set), -ENOMEM, or -EDEADLK where it would wait and is in a read section: then nothing has changed. Takes
// tenants_mutex.
int set_eventfd(Tenant& tenant, int eventfd, uint32_t mask);
// Which kinds have happened since the last call (among those an eventfd is told of); they are told
// again from now on.
uint32_t read_events(Tenant& tenant);

// Runs `handler` for every burst of the event; nullptr: no more. Waits for calls of the one before;
// nothing that they wait for may be held. Its own it does not wait for: a handler may change itself. 0,
// -ENODEV (not online; handlers may be taken away), -ENOMEM, or -EDEADLK where others make such calls and this one is from inside a handler or a shrinker,
// or in a read section: then nothing has changed. Takes
// tenants_mutex.
int set_event_handler(Tenant& tenant, EventKind kind, EventHandler handler, void* argument);
// Runs the handlers of what has happened, with the root as the current tenant; returns how many.
// Called by checkpoints and at the end of control operations, never by malloc or free. Leaves it to
// the next of these where the thread holds a lock of the library, is in a read section or in reclaim:
// the operation was called by a callback, or in a signal handler. Takes no lock.
size_t run_event_handlers();
// Whether there is something to run: one load.
bool events_pending();

// In a fork child, after tenants_after_fork_child(): what other threads had taken from the queue to
// run it comes back there, and their calls are forgotten.
void events_after_fork_child();

}  // namespace tenure
