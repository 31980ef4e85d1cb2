// The course of a figure in one line of blocks.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

namespace tenure::tool {

// The last `width` values, oldest first, blanks in front of them. `top` is a full block; 0: the highest of the values. `unicode`:
// eighths of blocks, else characters of ASCII.
std::string sparkline(const std::deque<uint64_t>& values, uint64_t top, size_t width, bool unicode);

}  // namespace tenure::tool
