// Deferred work: it runs after a grace period, at the end of a later control operation or on the helper thread. Deferring never fails,
// because the item lies in the object itself.
#pragma once

#include <cstddef>

#include "rcu/grace.h"

namespace tenure {

// A member of an object whose release may be deferred. The owner must not touch the object between defer() and the call.
struct DeferredItem {
  DeferredItem* next;    // The queue's.
  grace::Cookie cookie;  // The grace period after which the item may run; constant while queued.
  void (*run)(DeferredItem*);  // Constant while queued.
};

namespace deferred {

// Calls run(item) at some time after a grace period that starts now. run() is called with the
// deferred lock held: it takes no lock and does not wait; it may defer more. Memory that it frees must be
// unpublished already. Lock-free, async-signal-safe.
void defer(DeferredItem& item, void (*run)(DeferredItem*));

// Room for the deferred release of a block that has no item of its own. The caller reserves it before the step that cannot be undone.
// nullptr when metadata is exhausted.
struct Retirement;
Retirement* reserve_retirement();
void cancel(Retirement* retirement);
// Calls meta_arena.release(block, bytes) after a grace period.
void retire(Retirement* retirement, void* block, size_t bytes);

// Runs the items whose grace period has passed, without waiting for grace periods or for another drain. Returns the number that ran. Called
// at the end of control operations.
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
