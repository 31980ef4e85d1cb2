// The end of a control operation.
#pragma once

#include "allocator/control/control.h"
#include "api/process/helper_thread.h"

namespace tenure {

// Returns the operation's result.
inline int finish(int error) {
  after_control_operation();
  if (error == 0) start_helper();
  return error;
}

}  // namespace tenure
