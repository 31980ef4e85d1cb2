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

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
