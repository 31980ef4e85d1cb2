// Small files of the kernel (/proc, cgroups), read from inside malloc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

// Reads at most `size` bytes, in one piece. Returns their number; 0 if the file cannot be read, or if the process counts as filtered
// (base/system/sandbox.h). The descriptor is closed on exec and does not outlive the call. Async-signal-safe, keeps errno.
size_t read_system_file(const char* path, char* buffer, size_t size);

// Whether the descriptor is open, and an eventfd. If the kernel does not tell, the descriptor counts as an eventfd. Keeps errno.
enum class EventfdCheck { kGood, kClosed, kOther };
EventfdCheck check_eventfd(int fd);

// The number at the start of `text`, or `otherwise` without one.
uint64_t parse_number(const char* text, const char* end, uint64_t otherwise);

// The text after `name` and a blank at the start of a line, or nullptr.
const char* find_field(const char* text, const char* end, const char* name);

}  // namespace tenure
