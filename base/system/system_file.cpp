#include "base/system/system_file.h"

#include <errno.h>
#include <string.h>

#include "base/system/log.h"
#include "base/system/sandbox.h"
#include "base/system/system_calls.h"

namespace tenure {

size_t read_system_file(const char* path, char* buffer, size_t size) {
  if (is_filtered()) return 0;
  const int saved = errno;
  const int fd = sys::open_for_reading(path);
  ssize_t length = -1;
  if (fd >= 0) {
    length = sys::read(fd, buffer, size);
    sys::close(fd);
  }
  errno = saved;
  return length > 0 ? static_cast<size_t>(length) : 0;
}

EventfdCheck check_eventfd(int fd) {
  const int saved = errno;
  const bool open = sys::is_open(fd);
  errno = saved;
  if (!open) return EventfdCheck::kClosed;
  LineBuffer path;
  path.text("/proc/self/fdinfo/").decimal(static_cast<uint64_t>(fd)).text("", 1);
  char text[512];
  const size_t length = read_system_file(path.data(), text, sizeof text);
  const auto has = [&](const char* field) {
    return memmem(text, length, field, strlen(field)) != nullptr;
  };
  // Sandboxes that imitate /proc have fewer lines in these files than Linux.
  return has("mnt_id:") && !has("eventfd-count:") ? EventfdCheck::kOther : EventfdCheck::kGood;
}

uint64_t parse_number(const char* text, const char* end, uint64_t otherwise) {
  const char* p = text;
  uint64_t number = 0;
  for (; p != end && *p >= '0' && *p <= '9'; ++p) {
    if (number > UINT64_MAX / 10 - 1) return UINT64_MAX;
    number = number * 10 + static_cast<uint64_t>(*p - '0');
  }
  return p == text ? otherwise : number;
}

const char* find_field(const char* text, const char* end, const char* name) {
  const size_t length = __builtin_strlen(name);
  for (const char* line = text; line < end;) {
    const auto left = static_cast<size_t>(end - line);
    if (left > length && __builtin_memcmp(line, name, length) == 0 && line[length] == ' ')
      return line + length + 1;
    const void* const next = __builtin_memchr(line, '\n', left);
    if (next == nullptr) break;
    line = static_cast<const char*>(next) + 1;
  }
  return nullptr;
}

}  // namespace tenure
