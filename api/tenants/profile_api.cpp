// The functions of profile.h.
#include <errno.h>

#include "allocator/control/profile.h"
#include "api/process/ownership.h"
#include "base/words/attributes.h"
#include "tenure/profile.h"

TENURE_EXPORT int tenure_profile_start(size_t mean) {
  if (!tenure::owns_malloc()) return -ENOTSUP;
  return tenure::start_profile(mean == 0 ? tenure::kUsualMean : mean);
}

TENURE_EXPORT void tenure_profile_stop(void) { tenure::stop_profile(); }

TENURE_EXPORT int tenure_profile_dump(int fd) { return tenure::dump_profile(fd); }
