// The tenant that the rules have put the calling thread into.
//
// A thread has a base: the tenant of its thread rule, of the thread that created it, or of the process. While it works for a connection it is in
// the connection's tenant instead. Scopes of the program lie above: as long as the program is inside a tenant that it has entered itself,
// rules change nothing, and what they want takes effect at the thread's next event after it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "rules/path_template.h"
#include "rules/tenants.h"

namespace tenure::rules {

struct ThreadState {
  Membership base;     // kNone: the root.
  Reference serving;   // Of the connection the thread works for; kNone, or kNobody: the base.
  Membership entered;  // What the thread is inside of.
  uint64_t outer;      // tenure_scope, to leave it.
  uint64_t
      inside;  // At the hardened level, the depth of that scope: to see one of the program above.
  bool has_thread_rule;  // The base comes from a rule on the thread, or from the name itself.
  // The thread is inside the library: what a signal handler or a callback calls meanwhile passes through.
  bool is_busy;
  bool has_noticed_end;  // threads.h: the end of the thread will be noticed.
  bool is_registered;
  std::atomic<bool> has_pending_name;  // Another thread has set the name.
  const char* library;                 // Of the start routine; "" where no rule asks for it.
  const char* symbol;
  ThreadState* next_thread;  // Protected by rules_mutex, as are the following.
  ThreadState** link_to_this;
  uintptr_t thread;  // pthread_t
  char pending_name[kPathBytes + 16];
};

extern thread_local constinit ThreadState this_thread;

// While it lives, the thread's own calls pass through. `entered()` is false where the thread is inside already.
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
// Goes where the state says: into the tenant of the connection or the base, if no scope of the program lies above.
void go_where_the_state_says();

void serve_slow(Reference tenant);
void stop_serving_slow();

// The thread has read from a connection.
inline void serve(Reference tenant) {
  if (tenant != Reference::kNone && tenant != this_thread.serving) serve_slow(tenant);
}
// The thread is about to wait.
inline void stop_serving() {
  if (this_thread.serving != Reference::kNone) stop_serving_slow();
}

// The thread ends: it leaves its tenants for good.
void leave_all();
// The memberships of the thread: two.
constexpr size_t kMembershipsOfThread = 2;
void memberships_of_this_thread(Membership (&own)[kMembershipsOfThread]);

}  // namespace tenure::rules
