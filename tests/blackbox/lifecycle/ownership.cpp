// Whether the library says rightly that the process's malloc is its own. A program that does not link it opens it by dlopen, which
// gives it no part in malloc: limits would hold nothing, so that none can be set. Then the same program with the library preloaded.
// argv[1]: the library; argv[2], argv[3]: how it is opened, and whose malloc must be found.

#include <dlfcn.h>
#include <errno.h>
#include <string>
#include <vector>

#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/child.h"

namespace blackbox {
namespace {

struct Handle;

template <typename Function>
Function* find(void* library, const char* name) {
  auto* function = reinterpret_cast<Function*>(dlsym(library, name));
  REQUIRE(function != nullptr, "no %s", name);
  return function;
}

int look(const char* path, int flags, bool expected) {
  void* const library = dlopen(path, flags);
  REQUIRE(library != nullptr, "%s", dlerror());
  auto* active = find<int()>(library, "tenure_active");
  auto* root = find<Handle*()>(library, "tenure_root");
  auto* create =
      find<int(Handle*, const char*, unsigned, Handle**)>(library, "tenure_tenant_create");
  auto* set_limit = find<int(Handle*, int, size_t)>(library, "tenure_tenant_set_limit");
  auto* allocate_for = find<void*(Handle*, size_t)>(library, "tenure_malloc");
  constexpr int kMax = 3;
  // The first of them decides, whichever it is.
  Handle* tenant = nullptr;
  const int created = create(root(), "tenant", 0, &tenant);
  const int limited = set_limit(tenant, kMax, 1 << 20);
  REQUIRE(active() == expected, "active: %d", active());
  REQUIRE(created == (expected ? 0 : -ENOTSUP), "create: %d", created);
  REQUIRE(limited == (expected ? 0 : -ENOTSUP), "set_limit: %d", limited);
  void* const block = allocate_for(tenant, 100);
  REQUIRE((block != nullptr) == expected, "an unlimited block");
  void* const large = allocate_for(tenant, 2 << 20);
  REQUIRE(large == nullptr, "a block beyond the limit");
  return 0;
}

int run(const char* path) {
  const std::string library = path;
  const auto require = [&](const char* what, const char* expected,
                           const std::vector<std::string>& environment) {
    const ChildResult result = run_self({library, what, expected}, {.environment = environment});
    REQUIRE(result.exited(0), "%s: %s", what, result.describe().c_str());
  };
  require("local", "another", {});
  require("global", "another", {});
  require("local", "ours", {"LD_PRELOAD=" + library});
  require("global", "ours", {"LD_PRELOAD=" + library});
  return 0;
}

}  // namespace
}  // namespace blackbox

int main(int count, char** arguments) {
  using namespace blackbox;
  if (count == 2) return run(arguments[1]);
  REQUIRE(count == 4, "usage: ownership LIBRARY [local|global ours|another]");
  const int scope = arguments[2] == std::string("global") ? RTLD_GLOBAL : RTLD_LOCAL;
  return look(arguments[1], RTLD_NOW | scope, arguments[3] == std::string("ours"));
}
