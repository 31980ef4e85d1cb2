// dlopen, wrapped: allocations of a library's constructors are charged to the tenant of its rule.
//
// The dynamic linker takes the search path and $ORIGIN from the caller of dlopen, which it finds by the return address. So for all
// libraries that no rule names, the wrapper jumps to dlopen. For other libraries the wrapper searches the caller's path itself.
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "base/system/log.h"
#include "rules/control.h"
#include "rules/libraries.h"
#include "rules/loaded.h"
#include "rules/matching/path_template.h"
#include "rules/process.h"
#include "rules/wrappers/next.h"

using tenure::LineBuffer;
using namespace tenure::rules;

namespace {

// A library whose constructors have a tenant is a member of the tenant until it is closed.
struct Opened {
  void* handle;
  Membership membership;
  Opened* next;
};
constinit Opened* opened = nullptr;  // Protected by rules_mutex.

Membership join_for(const char* file) {
  const Inside inside;
  if (!inside.entered()) return Membership::kNone;
  const char* const slash = strrchr(file, '/');
  Facts all;
  all.thread.library = slash ? slash + 1 : file;
  all.thread.is_constructor = true;
  const Control control;
  all.process = process_facts();
  const RuleRecord* const rule = find_rule(current_view(), kThreadRule, all);
  return rule ? join_by_rule(*rule, all) : Membership::kNone;
}

void remember(void* handle, Membership membership) {
  const Inside inside;
  auto* const node = static_cast<Opened*>(tenure_malloc(tenure_root(), sizeof(Opened)));
  if (node == nullptr) return leave(membership);
  const Control control;
  *node = {handle, membership, opened};
  opened = node;
}

void forget(void* handle) {
  const Inside inside;
  Opened* found = nullptr;
  {
    const Control control;
    for (Opened** link = &opened; *link != nullptr; link = &(*link)->next) {
      if ((*link)->handle != handle) continue;
      found = *link;
      *link = found->next;
      break;
    }
    if (found != nullptr) leave(found->membership);
    end_departed();
  }
  free(found);
}

// A path without $ORIGIN, which is the folder of the caller. False: too long.
bool expand_origin(const char* path, size_t length, const char* caller, char* to, size_t size) {
  LineBuffer line;  // 512 bytes.
  const char* const slash = strrchr(caller, '/');
  const size_t folder = slash ? static_cast<size_t>(slash - caller) : 0;
  for (size_t i = 0; i < length;) {
    size_t field = 0;
    if (strncmp(path + i, "$ORIGIN", 7) == 0) field = 7;
    if (strncmp(path + i, "${ORIGIN}", 9) == 0) field = 9;
    if (field != 0) {
      line.text(slash ? caller : ".", slash ? folder : 1);
    } else {
      line.text(path + i, 1);
    }
    i += field != 0 ? field : 1;
  }
  if (line.size() + 1 >= size) return false;
  memcpy(to, line.data(), line.size());
  to[line.size()] = '\0';
  return true;
}

// Looks for the file in the caller's library folders.
const char* search(const char* file, const void* caller, char* buffer, size_t size) {
  Dl_info info;
  link_map* map = nullptr;
  if (dladdr1(caller, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0 ||
      map == nullptr)
    return file;
  if (strchr(file, '/') != nullptr)
    return strchr(file, '$') && expand_origin(file, strlen(file), info.dli_fname, buffer, size)
               ? buffer
               : file;
  const char* strings = nullptr;
  const ElfW(Dyn)* folders = nullptr;
  for (const ElfW(Dyn)* entry = map->l_ld; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_STRTAB) strings = reinterpret_cast<const char*>(entry->d_un.d_ptr);
    if (entry->d_tag == DT_RUNPATH || (entry->d_tag == DT_RPATH && folders == nullptr))
      folders = entry;
  }
  if (strings == nullptr || folders == nullptr) return file;
  for (const char* p = strings + folders->d_un.d_val; *p != '\0';) {
    const size_t length = strcspn(p, ":");
    if (expand_origin(p, length, info.dli_fname, buffer, size)) {
      const size_t folder = strlen(buffer), name = strlen(file);
      if (folder + name + 2 <= size) {
        buffer[folder] = '/';
        memcpy(buffer + folder + 1, file, name + 1);
        if (access(buffer, R_OK) == 0) return buffer;
      }
    }
    p += length + (p[length] == ':');
  }
  return file;
}

void* open_inside(Membership membership, const char* file, int mode, const void* caller) {
  const int saved = errno;
  char buffer[1024];
  const char* const found = search(file, caller, buffer, sizeof buffer);
  errno = saved;
  const tenure_scope scope = tenure_enter(tenant_of(membership));
  void* const handle = next().dlopen(found, mode);
  tenure_leave(scope);
  if (handle != nullptr) {
    remember(handle, membership);
  } else {
    leave(membership);
  }
  return handle;
}

}  // namespace

size_t tenure::rules::memberships_of_libraries(size_t first, Membership* some, size_t most) {
  const Opened* library = opened;
  for (; library != nullptr && first != 0; --first) library = library->next;
  size_t count = 0;
  for (; library != nullptr && count < most; library = library->next)
    some[count++] = library->membership;
  return count;
}

TENURE_EXPORT void* dlopen(const char* file, int mode) {
  if (!is_active(kHasConstructor) || file == nullptr || *file == '\0')
    return next().dlopen(file, mode);
  const Membership membership = join_for(file);
  if (membership == Membership::kNone) return next().dlopen(file, mode);
  return open_inside(membership, file, mode, __builtin_return_address(0));
}

TENURE_EXPORT int dlclose(void* handle) {
  const int result = next().dlclose(handle);
  if (is_active(kHasConstructor) && result == 0) forget(handle);
  return result;
}
