// Lines on standard error, without malloc.
#pragma once

#include <unistd.h>

#include "base/system/log.h"

namespace tenure::rules {

// "tenure: rules: <text>..."
template <typename... Text>
void say(Text... text) {
  LineBuffer line;
  line.text("tenure: rules: ");
  (line.text(text), ...);
  line.text("\n").flush(STDERR_FILENO);
}

}  // namespace tenure::rules
