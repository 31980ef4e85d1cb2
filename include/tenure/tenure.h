/* Tenure: a malloc for services that host many tenants in one process. The C API.
 *
 * The library replaces malloc, free and their family as soon as it is preloaded or linked; nothing here is needed for that.
 * Functions return 0 or a count on success and a negative errno value on failure; they keep errno.
 */
#ifndef TENURE_TENURE_H
#define TENURE_TENURE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The library's version, e.g. "0.1.0". A constant string. Thread- and signal-safe. */
const char* tenure_version(void);

/* "rseq" where the fast path uses restartable sequences, "fallback" where it uses atomic operations
 * (no rseq or membarrier, GLIBC_TUNABLES=glibc.pthread.rseq=0, or TENURE_CHECK=hardened). A constant string.
 * Thread- and signal-safe. */
const char* tenure_mode(void);

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

/* Fills in as many bytes of *stats as its struct_size says, so that programs built against an older header go on working. 0, or
 * -EINVAL where struct_size is too small to hold itself. Walks the heap: exact while no other thread allocates, close
 * otherwise. Thread- and signal-safe. */
int tenure_stats(struct tenure_stats* stats);

/* Writes statistics by class to a file descriptor: text, or JSON if `json` is not 0. No allocation. Thread- and
 * signal-safe. */
void tenure_stats_print(int fd, int json);

/* Checks every structure of the heap. 0, or -EIO with a line on stderr that says what is wrong. Must be called while no other thread
 * is in an allocation function. */
int tenure_validate(void);

#ifdef __cplusplus
}
#endif

#endif
