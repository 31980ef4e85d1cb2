// The functions of profile.h.
#include <errno.h>

#include "allocator/control/profile.h"
#include "allocator/heap/profile_sites.h"
#include "api/process/ownership.h"
#include "base/words/attributes.h"
#include "tenure/profile.h"

TENURE_EXPORT int tenure_profile_start(size_t mean) {
  if (!tenure::owns_malloc()) return -ENOTSUP;
  return tenure::start_profile(mean == 0 ? tenure::kUsualMean : mean);
}

TENURE_EXPORT void tenure_profile_stop(void) { tenure::stop_profile(); }

TENURE_EXPORT int tenure_profile_dump(int fd) { return tenure::dump_profile(fd); }

namespace {

// Rounding functions are in libm.
uint64_t rounded(double value) {
  return static_cast<uint64_t>(value + .5);  // NOLINT(bugprone-incorrect-roundings)
}

tenure_profile_site describe(const tenure::ProfileSite& site) {
  const tenure::SiteCounts counts = tenure::counts_of(site);
  const double in_use = counts.weight * static_cast<double>(counts.in_use);
  const double allocated = counts.weight * static_cast<double>(counts.allocated);
  const auto size = static_cast<double>(site.size);
  return {site.tenant->path,
          site.thread,
          site.stack->frames,
          site.stack->depth,
          site.size,
          counts.in_use,
          rounded(in_use),
          rounded(in_use * size),
          rounded(allocated),
          rounded(allocated * size),
          !tenure::is_online(*site.tenant)};
}

}  // namespace

TENURE_EXPORT int tenure_profile_visit(unsigned flags,
                                       int (*visit)(const struct tenure_profile_site*, void*),
                                       void* argument) {
  if ((flags & ~(TENURE_PROFILE_IN_USE | TENURE_PROFILE_DEPARTED)) != 0) return -EINVAL;
  int result = 0;
  tenure::profile_sites.for_each([&](const tenure::ProfileSite& site) {
    if (result != 0) return;
    const tenure_profile_site described = describe(site);
    if ((flags & TENURE_PROFILE_IN_USE) && described.in_use_samples == 0) return;
    if ((flags & TENURE_PROFILE_DEPARTED) && !described.departed) return;
    result = visit(&described, argument);
  });
  return result;
}
