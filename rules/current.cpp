#include "rules/current.h"

#include <errno.h>

#include <utility>

#include "rules/threads.h"

namespace tenure::rules {

thread_local constinit ThreadState this_thread{};

namespace {

// The scope of the thread. At the hardened level the word has the depth of the scope (api/tenants/scopes.h marks such words by this bit).
uint64_t scope_word() {
  const tenure_scope scope = tenure_enter(nullptr);
  tenure_leave(scope);
  return scope.word;
}
constexpr uint64_t kMarked = uint64_t{1} << 31;

// The level of this process. Asked once, after tenants were made, because a thread may change its tenant with every read.
enum class Level : uint8_t { kUnknown, kNormal, kHardened };
constinit std::atomic<Level> level{Level::kUnknown};

TENURE_SLOW bool is_hardened_slow() {
  const bool hardened = (scope_word() & kMarked) != 0;
  // Relaxed: all threads find the same.
  level.store(hardened ? Level::kHardened : Level::kNormal, std::memory_order_relaxed);
  return hardened;
}

// The scope's word at the hardened level. Otherwise 0, because one half of the word changes while the thread is inside, when the tenant gets
// lists of its own.
uint64_t depth_of_scope() {
  const Level known = level.load(std::memory_order_relaxed);
  const bool hardened = known == Level::kUnknown ? is_hardened_slow() : known == Level::kHardened;
  return hardened ? scope_word() : 0;
}

// Whether the thread is in the tenant into which the rules have put it, or in none.
bool is_ours() {
  if (this_thread.entered == Membership::kNone) return tenure_current() == tenure_root();
  return tenure_current() == tenant_of(this_thread.entered) &&
         depth_of_scope() == this_thread.inside;
}

// Takes the membership over.
void enter(Membership membership) {
  ThreadState& state = this_thread;
  // The state is set before the thread is inside, and reset after it has left, so that a signal handler in between finds a valid
  // membership.
  state.entered = membership;
  state.outer = tenure_enter(tenant_of(membership)).word;
  state.inside = depth_of_scope();
}

void exit_entered() {
  tenure_leave(tenure_scope{this_thread.outer});
  leave(std::exchange(this_thread.entered, Membership::kNone));
}

}  // namespace

void go_where_the_state_says() {
  ThreadState& state = this_thread;
  const bool is_serving = state.serving != Reference::kNone && state.serving != Reference::kNobody;
  const Reference wanted = is_serving ? state.serving : state.base;
  if (wanted == state.entered) return;
  if (!is_ours()) {
    // The next event tries again.
    if (is_serving) state.serving = Reference::kNone;
    return;
  }
  // The connection may have been closed meanwhile, and its tenant gone.
  Membership membership = join(wanted);
  if (membership == Membership::kNone && is_serving) membership = join(state.base);
  if (state.entered != Membership::kNone) exit_entered();
  if (membership != Membership::kNone) enter(membership);
}

void set_base(Membership base) {
  const Membership before = std::exchange(this_thread.base, base);
  go_where_the_state_says();
  leave(before);
}

TENURE_SLOW void serve_slow(Reference tenant) {
  const Inside inside;
  if (!inside.entered()) return;
  const int saved = errno;
  // A thread that no wrapper has started: a C11 thread, or a thread that is older than the rules on threads.
  if (!notice_end_of_this_thread()) return;
  this_thread.serving = tenant;
  go_where_the_state_says();
  errno = saved;
}

TENURE_SLOW void stop_serving_slow() {
  const Inside inside;
  if (!inside.entered()) return;
  const int saved = errno;
  this_thread.serving = Reference::kNone;
  go_where_the_state_says();
  errno = saved;
}

void leave_all() {
  ThreadState& state = this_thread;
  state.serving = Reference::kNone;
  const Membership base = std::exchange(state.base, Membership::kNone);
  if (state.entered != Membership::kNone) {
    // If the program has left the thread in a scope of its own, or libtenure has put it into the root, the scope below cannot be left any
    // more.
    if (is_ours()) {
      exit_entered();
    } else {
      leave(std::exchange(state.entered, Membership::kNone));
    }
  }
  leave(base);
}

void memberships_of_this_thread(Membership (&own)[kMembershipsOfThread]) {
  own[0] = this_thread.base;
  own[1] = this_thread.entered;
}

}  // namespace tenure::rules
