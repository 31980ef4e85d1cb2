/* Tenure: the heap of the process as a whole. A part of the C API; tenure.h includes it.
 *
 * A process has one heap. The functions here tell which library serves it, how much memory it takes, and whether its structures are
 * sound. They need no tenant.
 */
#ifndef TENURE_HEAP_H
#define TENURE_HEAP_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* With TENURE_WEAK defined before the header, a program needs no library to link or to run: every function is then a weak symbol,
 * which is NULL unless libtenure is linked or preloaded. tenure_available() tells. */
#if defined(TENURE_WEAK) && !defined(TENURE_BUILDING)
#define TENURE_API __attribute__((weak))
#else
#define TENURE_API
#endif

/* The library's version, e.g. "0.1.0". A constant string. Thread- and signal-safe. */
TENURE_API const char* tenure_version(void);

/* "rseq" if the fast path uses restartable sequences, "fallback" if it uses atomic operations (no rseq or membarrier,
 * TENURE_RSEQ=off, or TENURE_CHECK=hardened). A constant string. Thread- and signal-safe. */
TENURE_API const char* tenure_mode(void);

/* 1 if the library is the malloc of this process: preloaded, linked, or linked statically. 0 if another malloc serves the process,
 * as after dlopen() of the library, or ctypes.CDLL() without LD_PRELOAD. Nothing is charged in that case, and
 * tenure_tenant_create() and tenure_tenant_set_limit() return -ENOTSUP. The answer never changes. Thread-safe. The first call must
 * not be made in a signal handler. */
TENURE_API int tenure_active(void);

/* Sizes in bytes. */
struct tenure_stats {
  size_t struct_size;       /* Set by the caller to sizeof(struct tenure_stats) */
  size_t allocated;         /* Objects in use, rounded to their size classes */
  size_t cached;            /* Free objects kept in CPU fronts, depots and slabs */
  size_t slab_bytes;        /* Runs that hold small objects */
  size_t large_bytes;       /* Runs that are large objects */
  size_t resident_estimate; /* Slabs, large objects, free pages not yet returned, metadata */
  size_t meta;              /* The allocator's own structures */
  size_t committed;         /* Arena opened so far */
  size_t purged;            /* Of that, free and returned to the system */
};

/* Fills in the first struct_size bytes of *stats, so that programs built against an older header go on working. Walks the heap: the
 * figures are exact while no other thread allocates, and close otherwise. Returns 0, or -EINVAL if struct_size is too small to hold
 * itself. Thread- and signal-safe.
 *
 *   struct tenure_stats stats = {.struct_size = sizeof stats};
 *   if (tenure_stats(&stats) == 0) printf("%zu bytes in use\n", stats.allocated);
 */
TENURE_API int tenure_stats(struct tenure_stats* stats);

/* Writes statistics by size class to a file descriptor: text, or JSON if `json` is not 0. No allocation. Thread- and signal-safe. */
TENURE_API void tenure_stats_print(int fd, int json);

/* Checks every structure of the heap. Returns 0, or -EIO with a line on stderr that names the fault. No other thread may be in an
 * allocation function during the call. In the child of a fork: -EOWNERDEAD, with a line, if the only fault is memory or charges that
 * other threads held at the fork, which are lost to the child. */
TENURE_API int tenure_validate(void);

/* 1 if the library is there. Always 1 without TENURE_WEAK. */
static inline int tenure_available(void) {
#if defined(TENURE_WEAK) && !defined(TENURE_BUILDING)
  return tenure_version != NULL;
#else
  return 1;
#endif
}

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
