// The host of examples/plugin_host.c without its code for tenants: loads the plugins that it is told, and runs one after the other.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char** names) {
  for (int i = 1; i < count; ++i) {
    void* const plugin = dlopen(names[i], RTLD_NOW);
    int (*const run)(void) = plugin ? (int (*)(void))dlsym(plugin, "plugin_run") : NULL;
    if (run == NULL) {
      fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    printf("%d\n", run());
  }
  void* const own = malloc(32 << 20);  // The host has no limit.
  printf("%s\n", own ? "the host goes on" : "the host has no memory");
  free(own);
  return 0;
}
