// Prepares an event that may make or end tenants: takes the lock, blocks signals, loads the newest rules.
#pragma once

#include <signal.h>

#include "rules/current.h"

namespace tenure::rules {

// Signals are blocked, because a handler that interrupted a control operation could wait for the lock of its own thread. Keeps errno.
class Control {
public:
  Control();
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

private:
  sigset_t before_;
  int errno_;
};

// Ends departed tenants, if there are any and the thread is not inside the library.
void tidy_up();

}  // namespace tenure::rules
