/* Tenure: heap profiles, which show the code that allocates, for which tenant, and the part that is still in use. A part of the C API;
 * tenure.h does not include it.
 *
 * The library samples allocations: one in `mean` bytes on average, with its stack, tenant, thread and size. It follows a sampled object
 * until the object is freed, also after its tenant has gone. malloc and free execute no additional instruction meanwhile. Each list of
 * free objects that a CPU uses up costs a slow step.
 */
#ifndef TENURE_PROFILE_H
#define TENURE_PROFILE_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <stddef.h>
#include <stdint.h>

#include <tenure/tenant.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Starts sampling: one allocation in `mean` bytes on average (0: 512 KiB; 16 to 2^40). Another call changes the mean; earlier samples
 * stay in the profile. The first call returns lists of free objects to their slabs. 0, -EINVAL, -ENOMEM, -ENOTSUP (tenure_active() is
 * 0). Control. */
TENURE_API int tenure_profile_start(size_t mean);
/* Ends sampling. The library goes on following sampled objects in use. Thread- and signal-safe. */
TENURE_API void tenure_profile_stop(void);
/* Writes a snapshot of the profile to a file descriptor, as text. `tenure profile convert` makes a pprof profile, stacks or a report of
 * it. 0, or the negative errno of the write that failed. No allocation. Control. */
TENURE_API int tenure_profile_dump(int fd);

/* A site: the allocations of one piece of code, for one tenant, in one thread, in objects of one size, as the samples say. */
struct tenure_profile_site {
  const char* tenant;        /* The path at the first sample; cut at 159 bytes */
  const char* thread;        /* The name of the thread */
  const void* const* frames; /* Return addresses, the innermost first */
  size_t depth;              /* The number of frames */
  size_t object_size;
  uint64_t
      in_use_samples; /* Sampled objects in use: more samples make a better estimate (docs/profiling.md) */
  uint64_t in_use_objects, in_use_bytes;       /* Estimates */
  uint64_t allocated_objects, allocated_bytes; /* Estimates, since the first profile began */
  int departed;                                /* 1 if the tenant went offline */
};
/* Flags: only sites that have objects in use; only sites of tenants that went offline. Both together find the leaks of departed tenants. */
#define TENURE_PROFILE_IN_USE 1u
#define TENURE_PROFILE_DEPARTED 2u
/* Calls visit(site, argument) for each site of the profile that `flags` let through, until visit returns another value than 0. Returns that
 * value, or 0 after all visits, or -EINVAL for unknown flags. Pointers in the site are valid as long as the process lives; the site itself is
 * valid for the call. visit may allocate and free. Other threads go on: the visit may leave out sites that begin after the call. Control. */
TENURE_API int tenure_profile_visit(unsigned flags,
                                    int (*visit)(const struct tenure_profile_site* site,
                                                 void* argument),
                                    void* argument);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
