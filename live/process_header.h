// The header's description of the process.
#pragma once

#include "live/layout.h"

namespace tenure::live {

// All but `state`, in a header of zeros. `parent`: the process that this one has its tenants from, or 0.
void describe_process(Header& header, uint32_t flags, uint32_t parent, const char* version);

}  // namespace tenure::live
