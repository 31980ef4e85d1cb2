// Events of a tenant at its limits: counters for every tenant, an eventfd and handlers if the program has set them.
//
// The malloc path only counts the event, sets a bit and, at the first event since the listener last looked, writes to the eventfd or queues
// the tenant. Handlers run later, from run_event_handlers(), with no lock held and outside signal handlers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "accounting/callbacks/user_call.h"
#include "accounting/tenants/notifier.h"
#include "rcu/grace.h"

namespace tenure {

struct Tenant;

// Counts the event and notifies listeners. In a read section or with a pin on the tenant. Lock-free, async-signal-safe, keeps errno.
void record_event(Tenant& tenant, EventKind kind);

// From now on the kinds of `mask` (bit_of) make `eventfd` readable; -1: none. The caller owns the descriptor. (A duplicate of the library's
// own would count against the program's limit, and programs that close all descriptors would close it.) After the return no thread writes
// to the previous eventfd any more, so the caller may close it. For that reason the call waits for a grace period if there was one. Each
// kind is reported once until read_events(). 0, -EBADF, -EINVAL (no eventfd), -ENODEV (not online; -1 may be set), -ENOMEM, or -EDEADLK if
// it would wait inside a read section: nothing has changed then. Takes tenants_mutex.
int set_eventfd(Tenant& tenant, int eventfd, uint32_t mask);
// The kinds that have happened since the last call (among those that the eventfd reports). They are reported again from now on.
uint32_t read_events(Tenant& tenant);

// Runs `handler` for every burst of the event; nullptr: no handler. Waits for calls of the previous handler, so the caller must hold no
// lock that they wait for. It does not wait for a call of its own thread: a handler may change itself. 0, -ENODEV (not online; handlers may
// be removed), -ENOMEM, or -EDEADLK if other threads make such calls and this call comes from inside a handler, a shrinker or a read
// section: nothing has changed then. Takes tenants_mutex.
int set_event_handler(Tenant& tenant, EventKind kind, EventHandler handler, void* argument);
// Runs the handlers of pending events, with the root as the current tenant. Returns their number. Called by checkpoints and at the end of
// control operations, never by malloc or free. If the thread holds a lock of the library, or is in a read section or in reclaim, the
// function leaves the events to the next such call: the operation was called by a callback, or in a signal handler. Takes no lock.
size_t run_event_handlers();
// Whether there are handlers to run: one load.
bool events_pending();

// In a fork child, after tenants_after_fork_child(): tenants that other threads had taken from the queue return to it, and calls of those
// threads are forgotten.
void events_after_fork_child();

}  // namespace tenure
