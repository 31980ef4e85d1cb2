#include "base/system/cgroup.h"

#include "base/system/system_file.h"

namespace tenure {
namespace {

// The buffer is on the stack, perhaps on that of a signal handler.
constexpr size_t kBufferSize = 1536;
constexpr size_t kLongestName = 32;

struct Text {
  char buffer[kBufferSize];
  size_t length = 0;

  // `name` is short and begins with a slash.
  bool read(const char* directory, const char* name) {
    char path[kLongestCgroupPath + kLongestName];
    const size_t start = __builtin_strlen(directory);
    __builtin_memcpy(path, directory, start);
    __builtin_memcpy(path + start, name, __builtin_strlen(name) + 1);
    length = read_system_file(path, buffer, sizeof buffer);
    return length != 0;
  }
  const char* end() const { return buffer + length; }
  // "max" and missing files give `otherwise`.
  uint64_t number(const char* directory, const char* name, uint64_t otherwise) {
    return read(directory, name) ? parse_number(buffer, end(), otherwise) : otherwise;
  }
  uint64_t field(const char* name) const {
    const char* const value = find_field(buffer, end(), name);
    return value ? parse_number(value, end(), 0) : 0;
  }
};

// "some avg10=12.34 avg60=..." as 1234.
uint32_t parse_stalled(const Text& text) {
  constexpr char kAverage[] = "avg10=";
  constexpr size_t kLength = sizeof kAverage - 1;
  const char* value = find_field(text.buffer, text.end(), "some");
  if (value == nullptr || static_cast<size_t>(text.end() - value) < kLength ||
      __builtin_memcmp(value, kAverage, kLength) != 0)
    return 0;
  value += kLength;
  const uint64_t percent = parse_number(value, text.end(), 0);
  while (value < text.end() && *value >= '0' && *value <= '9') ++value;
  const uint64_t hundredths =
      value < text.end() && *value == '.' ? parse_number(value + 1, text.end(), 0) : 0;
  return static_cast<uint32_t>((percent < 100 ? percent : 100) * 100 +
                               (hundredths < 100 ? hundredths : 0));
}

// The path behind "0::", without the final slash of the root's path.
bool find_membership(const Text& text, const char** path, size_t* length) {
  for (const char* line = text.buffer; line < text.end();) {
    const auto left = static_cast<size_t>(text.end() - line);
    const auto* end = static_cast<const char*>(__builtin_memchr(line, '\n', left));
    if (end == nullptr) return false;  // Cut off.
    if (end - line > 3 && __builtin_memcmp(line, "0::/", 4) == 0) {
      // Outside of the part that this process may see.
      if (end - line > 5 && __builtin_memcmp(line + 3, "/..", 3) == 0) return false;
      *path = line + 3;
      *length = static_cast<size_t>(end - *path);
      if (*length == 1) *length = 0;
      return true;
    }
    line = end + 1;
  }
  return false;
}

// Every cgroup has this file, and it is never empty.
bool is_cgroup(const char* directory) {
  Text text;
  return text.read(directory, "/cgroup.stat");
}

}  // namespace

bool find_cgroup(const char* membership, const char* mount, char (&path)[kLongestCgroupPath]) {
  Text text;
  const char* own = nullptr;
  size_t length = 0;
  if (!text.read(membership, "") || !find_membership(text, &own, &length)) return false;
  const size_t start = __builtin_strlen(mount);
  if (start + length + 1 > sizeof path) return false;
  __builtin_memcpy(path, mount, start);
  for (;;) {
    __builtin_memcpy(path + start, own, length);
    path[start + length] = '\0';
    if (is_cgroup(path)) return true;
    if (length == 0) return false;
    do {
      ++own;
      --length;
    } while (length > 0 && *own != '/');
  }
}

bool read_cgroup(const char* directory, CgroupMemory& memory) {
  memory = {};
  Text text;
  if (!text.read(directory, "/memory.current")) return false;
  memory.current = parse_number(text.buffer, text.end(), 0);
  const uint64_t high = text.number(directory, "/memory.high", UINT64_MAX);
  const uint64_t max = text.number(directory, "/memory.max", UINT64_MAX);
  memory.limit = high < max ? high : max;
  // This file costs the kernel most.
  if (memory.current > cgroup_threshold(memory) && text.read(directory, "/memory.stat")) {
    memory.file = text.field("inactive_file") + text.field("active_file");
  }
  if (text.read(directory, "/memory.pressure")) memory.stalled = parse_stalled(text);
  return true;
}

}  // namespace tenure
