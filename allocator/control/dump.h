// Snapshots of the heap as JSON, for the request kDump.
#pragma once

#include <cstdint>

namespace tenure {

// Writes the size classes of the heap, at most `most` bytes. 0, or a negative errno. Allocates nothing.
int dump_heap(int fd, uint64_t most);

}  // namespace tenure
