// The helper thread: what it does, and when it ends. api/process/helper_thread starts it (TENURE_HELPER).
//
// It takes turns while there is something to do, sleeps until it is called where there is not, and ends when the program has no
// thread of its own left but one: from then on slow paths do its work.
#pragma once

#include <atomic>
#include <cstdint>

#include "allocator/hooks.h"

namespace tenure {

enum class HelperState : uint32_t { kNone, kStarting, kWorking };

// kNone -> kStarting: by whoever starts the helper; -> kWorking, -> kNone: by the helper. Sequentially consistent where it ends or
// starts: who makes a thread counts it and then looks here, the helper says that it ends and then looks at the count.
extern constinit std::atomic<HelperState> helper_state;
// Then slow paths leave the return of memory to it. Relaxed: a late look does a step of its work, or leaves one out.
inline bool helper_works() {
  return helper_state.load(std::memory_order_relaxed) == HelperState::kWorking;
}

// The program's own threads beside the one it began with, as far as they were made by pthread_create.
void count_thread();
// The last of them: the helper looks whether it is wanted any more.
void uncount_thread();
bool has_threads();
// The thread that the program began with has left by pthread_exit: when the others have, too, libc ends the process in the last
// thread, which must not be kept waiting.
void note_main_thread_gone();

// Takes turns: reaps what departed tenants have left, returns what has been idle for the decay time, looks at the pressure of the
// process. Runs no code of the program, neither handlers nor shrinkers, except call_rcu() for type-safe caches. Returns when the helper is
// to end.
void run_helper();

// Ends the helper where the program has no other thread, and waits until the kernel, too, knows that it has gone. False where that
// may not be asked for (base/system/sandbox.h): the kernel may count the helper for a moment yet. Keeps errno.
bool end_helper();
// Waits until a helper that is being started has made the system calls of its start. Not for ever: the caller may be a signal handler
// that has interrupted the start.
void await_helper_start();

// The helper takes no turn while one of these lives: for validate_heap(), which wants the heap for itself. Waits for the end
// of a turn. No lock: with one held, a turn could not reclaim.
class HelperPause {
public:
  HelperPause();
  ~HelperPause();
  HelperPause(const HelperPause&) = delete;
  HelperPause& operator=(const HelperPause&) = delete;
};

// In a fork child, which has one thread: no helper, and whoever had the turn does not exist any more.
void repair_helper_after_fork();

}  // namespace tenure
