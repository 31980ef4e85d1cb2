/* Tenure: heap profiles. A part of the C API; tenure.h does not include it. */
#ifndef TENURE_PROFILE_H
#define TENURE_PROFILE_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <stddef.h>
#include <stdint.h>
#include <tenure/tenure.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Which code allocates, for which tenant, and what is still in use -------------------------------------------------
 *
 * Allocations are sampled: one in `mean` bytes on average, with its stack, tenant, thread and size. A sampled object is followed until
 * somebody frees it, also after its tenant has gone. malloc and free take not one instruction more meanwhile; each list of free
 * objects that a CPU uses up costs a slow step.
 */

/* From now on, one allocation in `mean` bytes is sampled on average (0: 512 KiB; 16 to 2^40). Called again, it changes the mean: what
 * was sampled before stays in the profile. Lists of free objects go back to their slabs at the first call. 0, -EINVAL, -ENOMEM,
 * -ENOTSUP (tenure_active() is 0). Control. */
TENURE_API int tenure_profile_start(size_t mean);
/* No more samples. Sampled objects in use are followed on. Thread- and signal-safe. */
TENURE_API void tenure_profile_stop(void);
/* Writes a snapshot of the profile to a file descriptor, as text that `tenure profile convert` makes a pprof profile, stacks or a
 * report of. 0, or the negative errno of the write that failed. No allocation. Control. */
TENURE_API int tenure_profile_dump(int fd);

/* What one piece of code has allocated for one tenant in one thread, in objects of one size, as the samples say. */
struct tenure_profile_site {
  const char* tenant;        /* Its path, as it was at the first sample; cut at 159 bytes. */
  const char* thread;        /* The thread's name. */
  const void* const* frames; /* Where calls return to, the innermost first. */
  size_t depth;              /* How many frames. */
  size_t object_size;
  uint64_t
      in_use_samples; /* Sampled objects in use: estimates are the better the more there are (docs/profiling.md). */
  uint64_t in_use_objects, in_use_bytes;       /* Estimates. */
  uint64_t allocated_objects, allocated_bytes; /* Estimates, since the first profile began. */
  int departed;                                /* Whether the tenant has gone offline. */
};
/* Only sites that have objects in use; only those of tenants that went offline: together, what departed tenants left behind. */
#define TENURE_PROFILE_IN_USE 1u
#define TENURE_PROFILE_DEPARTED 2u
/* Calls visit(site, argument) for each site of the profile that `flags` let through, until it returns another value than 0, which is
 * returned; else 0. Pointers in the site last as long as the process; the site itself lasts for the call. visit() may allocate and free. Other threads
 * go on meanwhile: sites that begin after the call may be left out. -EINVAL: unknown flags. Control. */
TENURE_API int tenure_profile_visit(unsigned flags,
                                    int (*visit)(const struct tenure_profile_site* site,
                                                 void* argument),
                                    void* argument);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
