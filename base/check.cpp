#include "base/check.h"

#include <stdlib.h>

#include "base/log.h"

namespace tenure {

void fatal(const char* what) {
  log_line(what);
  abort();
}

}  // namespace tenure
