#include "rules/control.h"

#include <errno.h>

#include "rules/loaded.h"
#include "rules/process.h"

namespace tenure::rules {

Control::Control() : errno_(errno) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before_);
  rules_mutex.lock();
  if (are_outdated() && load_rules()) apply_new_rules();
}

Control::~Control() {
  rules_mutex.unlock();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  errno = errno_;
}

void tidy_up() {
  if (!has_departed()) return;
  const Inside inside;
  if (!inside.entered()) return;
  const Control control;
  end_departed();
}

}  // namespace tenure::rules
