/* deepbind_host NAME: opens the plugin with RTLD_DEEPBIND by its bare name, which only this program's own search path has, and
 * lets it exchange memory with libc. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int count, char** arguments) {
  if (count != 2) return 64;
  if (dlopen("/nowhere/at/all.so", RTLD_NOW) != NULL ||
      strstr(dlerror(), "/nowhere/at/all.so") == NULL)
    return fprintf(stderr, "no error from dlopen\n"), 1;
  void* const plugin = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (plugin == NULL) return fprintf(stderr, "%s\n", dlerror()), 1;
  int (*exchange)(void);
  *(void**)&exchange = dlsym(plugin, "exchange_with_libc");
  const int wrong = exchange == NULL ? -1 : exchange();
  if (wrong != 0) return fprintf(stderr, "the plugin failed at step %d\n", wrong), 1;
  return dlclose(plugin) == 0 ? 0 : 1;
}
