/* A program in C, without libstdc++, that opens a C++ plugin for itself alone, as interpreters do: the C++ runtime comes
 * long after the library, and where no global lookup finds it. argv[1]: the plugin; argv[2]: the library, to be preloaded
 * where it is not linked. */
#define TENURE_WEAK
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <tenure/tenure.h>
#include <unistd.h>

#define NEED(condition)                                                         \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: required: %s\n", __FILE__, __LINE__, #condition); \
      _exit(99);                                                                \
    }                                                                           \
  } while (0)

static void (*ask_too_much)(void);
static void (*reach_limit)(void);

static void* work(void* unused) {
  reach_limit();
  ask_too_much();
  return unused;
}

static void work_in_tenant(void) {
  struct tenure_tenant* tenant = NULL;
  NEED(tenure_tenant_create(NULL, "plugin", TENURE_DURABLE, &tenant) == 0);
  NEED(tenure_tenant_set_limit(tenant, TENURE_MAX, 1 << 20) == 0);
  NEED(tenure_tenant_set_policy(tenant, TENURE_FAIL_ALL) == 0);
  const struct tenure_scope outer = tenure_enter(tenant);
  work(NULL);
  /* A thread of the tenant's, to which the C++ runtime is new. */
  pthread_t thread;
  NEED(pthread_create(&thread, NULL, work, NULL) == 0);
  NEED(pthread_join(thread, NULL) == 0);
  tenure_leave(outer);
  struct tenure_tenant_stats stats = {.struct_size = sizeof stats};
  NEED(tenure_tenant_stats(tenant, &stats) == 0);
  NEED(stats.failures > 0 && stats.peak <= 1 << 20);
  NEED(tenure_tenant_offline(tenant, 0) == 0);
  tenure_tenant_close(tenant);
}

int main(int count, char** arguments) {
  NEED(count == 2 || count == 3);
  if (!tenure_available()) {
    NEED(count == 3 && getenv("LD_PRELOAD") == NULL);
    NEED(setenv("LD_PRELOAD", arguments[2], 1) == 0);
    execv("/proc/self/exe", arguments);
    NEED(!"executed");
  }
  NEED(dlsym(RTLD_DEFAULT, "__cxa_throw") == NULL);
  void* const plugin = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  NEED(plugin != NULL);
  NEED(dlsym(RTLD_DEFAULT, "__cxa_throw") == NULL);
  ask_too_much = (void (*)(void))dlsym(plugin, "plugin_ask_too_much");
  reach_limit = (void (*)(void))dlsym(plugin, "plugin_reach_limit");
  NEED(ask_too_much != NULL && reach_limit != NULL);
  ask_too_much();
  work_in_tenant();

  struct tenure_shrinker* shrinker = NULL;
  int calls = 0;
  NEED(tenure_shrinker_register("thrower", (tenure_shrink_count)dlsym(plugin, "plugin_count"),
                                (tenure_shrink_scan)dlsym(plugin, "plugin_scan"), 2, &calls,
                                &shrinker) == 0);
  work_in_tenant();
  NEED(tenure_shrinker_unregister(shrinker) == 0);
  NEED(calls > 0);
  ask_too_much();
  NEED(dlclose(plugin) == 0);
  NEED(tenure_validate() == 0);
  return 0;
}
