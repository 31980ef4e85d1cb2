#pragma once

#include <stddef.h>

namespace blackbox {

// The threads of this process as /proc shows them, and those among them that are the library's helper. One that has just been
// started may not have its name yet.
struct Tasks {
  size_t all = 0;
  size_t helpers = 0;
  unsigned long long blocked = 0;  // The helper's blocked signals; bit 0 is signal 1.
};
// Without malloc.
Tasks count_tasks();

}  // namespace blackbox
