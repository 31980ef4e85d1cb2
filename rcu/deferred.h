// Work for after a grace period, done by whoever performs a control operation next (or the helper, where
// there is one). Putting something off never fails: the item lies in the object itself.
#pragma once

#include <cstddef>

#include "rcu/grace.h"

namespace tenure {

// Part of an object that may be put off. Its owner must not touch it between defer() and the call.
struct DeferredItem {
  DeferredItem* next;          // The queue's.
  grace::Cookie cookie;        // When it may run; constant while queued.
  void (*run)(DeferredItem*);  // Constant while queued.
};

namespace deferred {

// Calls run(item) at some time after a grace period that starts now. run() is called with the
// deferred lock held: it takes no lock and does not wait; it may defer more. Memory that it frees must be
// unpublished already. Lock-free, async-signal-safe.
void defer(DeferredItem& item, void (*run)(DeferredItem*));

// Room for putting off the release of a block that has no item of its own. A reservation is made
// before the step that cannot be undone; nullptr when metadata is exhausted.
struct Retirement;
Retirement* reserve_retirement();
void cancel(Retirement* retirement);
// meta_arena.release(block, bytes) after a grace period.
void retire(Retirement* retirement, void* block, size_t bytes);

// Runs what is ripe, without waiting for grace periods or for another drain. Returns how many ran.
// Called at the end of control operations.
size_t drain();
// Waits for grace periods until everything deferred before the call has run. Not in a read section,
// not from run().
void flush();
// Items not yet run.
size_t pending();

// In a fork child: the lock's owner may be gone. Items a vanished thread was just running are lost
// (leaked, at most one drain's).
void after_fork_child();

}  // namespace deferred
}  // namespace tenure
