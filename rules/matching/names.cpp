// Names that programs give: threads' names with tenants, paths.
#include <string.h>

#include "rules/threads.h"

namespace tenure::rules {

const char* split_name(const char* name, size_t most, char (&plain)[16]) {
  size_t length = strnlen(name, most);
  const auto* const at = static_cast<const char*>(memchr(name, '@', length));
  const bool has_tenant = at != nullptr && at + 1 < name + most && at[1] == '/';
  if (has_tenant) length = static_cast<size_t>(at - name);
  if (length >= sizeof plain) length = sizeof plain - 1;
  memcpy(plain, name, length);
  plain[length] = '\0';
  return has_tenant ? at + 1 : nullptr;
}

bool clean_path(const char* path, char (&clean)[kPathBytes]) {
  size_t size = 0;
  unsigned levels = 0;
  if (*path != '/') return false;
  while (*path == '/') {
    while (*path == '/') ++path;
    size_t length = strcspn(path, "/");
    if (length == 0) break;
    char name[kNameBytes];
    const size_t kept = length < sizeof name ? length : sizeof name - 1;
    memcpy(name, path, kept);
    const size_t fit = clean_name(name, kept);
    if (size + 1 + fit >= kPathBytes || ++levels > kMostLevels) return false;
    clean[size++] = '/';
    memcpy(clean + size, name, fit);
    size += fit;
    path += length;
  }
  clean[size] = '\0';
  return true;
}

}  // namespace tenure::rules
