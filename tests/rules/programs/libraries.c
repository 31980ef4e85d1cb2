// A plugin host under rules (files/libraries.toml), without its code for tenants. The plugin is found by the host's own search path.
#include <dlfcn.h>
#include <sys/wait.h>

#include "check.h"

typedef void* (*function)(void);

int main(int argc, char** argv) {
  CHECK(argc == 2);
  void* const plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (plugin == NULL) fprintf(stderr, "%s\n", dlerror());
  CHECK(plugin != NULL);
  const char* const slash = strrchr(argv[1], '/');
  char tenant[256];
  snprintf(tenant, sizeof tenant, "/plugins/%s", slash ? slash + 1 : argv[1]);
  CHECK_TENANT("/");
  CHECK(is_online(tenant) && limit_of(tenant, TENURE_MAX) == 64 << 20);
  const char* const functions[] = {"plugin_constructed", "plugin_in_thread",
                                   "plugin_in_std_thread"};
  void* blocks[3];
  for (int i = 0; i < 3; ++i) {
    blocks[i] = ((function)dlsym(plugin, functions[i]))();
    CHECK(is_owned_by(blocks[i], tenant));
  }
  // In a child of fork, too, the library is there.
  const pid_t child = fork();
  if (child == 0) {
    CHECK(is_online(tenant) && is_owned_by(blocks[0], tenant));
    CHECK(dlclose(plugin) == 0 && !is_online(tenant));
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  // Another library is nobody's.
  void* const other = dlopen("libm.so.6", RTLD_NOW);
  CHECK(other != NULL && !is_online("/plugins/libm.so.6"));
  CHECK(dlopen("no such library", RTLD_NOW) == NULL && dlerror() != NULL);
  CHECK(dlclose(other) == 0);
  CHECK(is_online(tenant));
  CHECK(dlclose(plugin) == 0);
  // With the library its tenant has gone. What is left is the parent's.
  CHECK(!is_online(tenant));
  for (int i = 0; i < 3; ++i) {
    CHECK(is_owned_by(blocks[i], "/plugins"));
    free(blocks[i]);
  }
  CHECK(children_of("/plugins") == 0 && tenure_validate() == 0);
  return 0;
}
