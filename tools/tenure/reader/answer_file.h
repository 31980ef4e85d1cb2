// The file that answers a request (docs/live.md, "Answers").
#pragma once

#include <cstdint>
#include <string>

#include "tools/tenure/reader/region.h"

namespace tenure::tool {

// The content of the file that answers the request at `place`, which must be `bytes` long. The file goes. Throws a Failure where the file
// is not there, is not the process's alone, or has another length.
std::string fetch_answer(const Region& region, uint32_t place, uint64_t bytes);
// Removes the files of answers that a process left when it ended. `region`: its path.
void remove_answers(const std::string& region);

}  // namespace tenure::tool
