// Invariants. TENURE_ASSERT checks for mistakes of the library itself, and release builds leave it out. fatal() reports corruption found at
// run time, in every build.
#pragma once

#include "base/words/attributes.h"

namespace tenure {

// Writes "tenure: <what>\n" without malloc and aborts. Async-signal-safe.
[[noreturn]] TENURE_SLOW void fatal(const char* what);

}  // namespace tenure

#ifdef NDEBUG
#define TENURE_ASSERT(condition) ((void)0)
#else
#define TENURE_STRINGIFY_(x) #x
#define TENURE_STRINGIFY(x) TENURE_STRINGIFY_(x)
#define TENURE_ASSERT(condition)                                                              \
  (TENURE_LIKELY(condition) ? (void)0                                                         \
                            : ::tenure::fatal("assertion failed: " #condition " at " __FILE__ \
                                              ":" TENURE_STRINGIFY(__LINE__)))
#endif
