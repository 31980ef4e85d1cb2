/* Tenure: heap profiles. A part of the C API; tenure.h does not include it. */
#ifndef TENURE_PROFILE_H
#define TENURE_PROFILE_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <tenure/tenant.h>

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

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
