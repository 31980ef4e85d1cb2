#include "base/system/check.h"

#include <stdlib.h>

#include "base/system/log.h"

namespace tenure {

void fatal(const char* what) {
  log_line(what);
  abort();
}

}  // namespace tenure
