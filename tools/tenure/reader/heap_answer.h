// The answer to the request kDump, as the model has it.
#pragma once

#include "tools/tenure/model/heap_share.h"

namespace tenure::tool {

// Throws a Failure where the answer is not what a process of this version writes.
HeapShare parse_heap_share(const std::string& answer);

}  // namespace tenure::tool
