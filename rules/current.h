// The tenant that the rules have put the calling thread into.
//
// A thread has a base: the tenant of its thread rule, of the thread that created it, or of the process. While the thread works for a
// connection it is in the connection's tenant instead. Scopes of the program take precedence: as long as the program is inside a tenant
// that it has entered itself, rules change nothing. The rule takes effect at the thread's next event after that scope.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "rules/matching/path_template.h"
#include "rules/tenants.h"

namespace tenure::rules {

struct ThreadState {
  Membership base;     // kNone: the root.
  Reference serving;   // Of the connection that the thread works for; kNone, or kNobody: the base.
  Membership entered;  // The tenant that the thread is inside of.
  uint64_t outer;      // tenure_scope, to leave that tenant.
  uint64_t
      inside;  // At the hardened level, the depth of that scope, to detect a scope of the program above it.
  bool has_thread_rule;  // The base comes from a rule on the thread, or from the name itself.
  // The thread is inside the library. Calls of a signal handler or a callback pass through meanwhile.
  bool is_busy;
  bool has_noticed_end;  // The end of the thread will be noticed (threads.h).
  bool is_registered;
  std::atomic<bool> has_pending_name;  // Another thread has set the name.
  const char* library;                 // Of the start routine; "" if no rule needs it.
  const char* symbol;
  ThreadState* next_thread;  // Protected by rules_mutex, as are the following.
  ThreadState** link_to_this;
  uintptr_t thread;  // pthread_t
  char pending_name[kPathBytes + 16];
};

extern thread_local constinit ThreadState this_thread;

// While the object lives, the thread's own calls pass through. `entered()` is false if the thread was inside already.
class Inside {
public:
  Inside() : was_busy_(this_thread.is_busy) { this_thread.is_busy = true; }
  ~Inside() { this_thread.is_busy = was_busy_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  bool entered() const { return !was_busy_; }

private:
  const bool was_busy_;
};

// Takes the membership over.
void set_base(Membership base);
// Moves the thread into the tenant of its state: the connection's or the base, if no scope of the program lies above.
void go_where_the_state_says();

void serve_slow(Reference tenant);
void stop_serving_slow();

// Called when the thread has read from a connection.
inline void serve(Reference tenant) {
  if (tenant != Reference::kNone && tenant != this_thread.serving) serve_slow(tenant);
}
// Called when the thread is about to wait.
inline void stop_serving() {
  if (this_thread.serving != Reference::kNone) stop_serving_slow();
}

// Called when the thread ends: it leaves its tenants for good.
void leave_all();
// The memberships of the thread: two.
constexpr size_t kMembershipsOfThread = 2;
void memberships_of_this_thread(Membership (&own)[kMembershipsOfThread]);

}  // namespace tenure::rules
