// What the helper thread does, where one was asked for (TENURE_HELPER_MS); api/helper_thread starts it.
#pragma once

namespace tenure {

// Takes a turn each interval until the process ends: reaps what departed tenants have left, returns what has been idle for the decay
// time, looks at the pressure of the process. Runs no code of the program: neither handlers nor shrinkers.
[[noreturn]] void run_helper();

// The helper takes no turn while one of these lives: for validate_heap(), which wants the heap for itself. Waits for the end
// of a turn. No lock: with one held, a turn could not reclaim.
class HelperPause {
public:
  HelperPause();
  ~HelperPause();
  HelperPause(const HelperPause&) = delete;
  HelperPause& operator=(const HelperPause&) = delete;
};

// In a fork child: whoever had the turn does not exist any more.
void repair_helper_after_fork();

}  // namespace tenure
