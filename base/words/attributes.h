// Compiler attributes under the names this code base uses for them.
#pragma once

#define TENURE_LIKELY(x) __builtin_expect(!!(x), 1)
#define TENURE_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define TENURE_INLINE inline __attribute__((always_inline))
// Slow steps are kept out of line so that the fast path stays on one screen, in source and in code.
#define TENURE_SLOW __attribute__((noinline, cold))
#define TENURE_NOINLINE __attribute__((noinline))
// Begins at a cache line. The time of a few instructions depends on the lines that they lie in, and should not depend on the code that the
// linker has put before them.
#define TENURE_OWN_LINE __attribute__((aligned(64)))
#define TENURE_EXPORT extern "C" __attribute__((visibility("default")))
// For a function that reads a word which another thread may own and write by now, and that accepts any value. ThreadSanitizer does not
// check such a function.
#define TENURE_STALE_READ __attribute__((no_sanitize("thread")))
#define TENURE_WEAK __attribute__((weak))
