// The header's description of the process.
#pragma once

#include "live/layout.h"

namespace tenure::live {

// Writes all fields except `state` into a header of zeros. `parent`: the process whose tenants this process has inherited, or 0.
void describe_process(Header& header, uint32_t flags, uint32_t parent, const char* version);

}  // namespace tenure::live
