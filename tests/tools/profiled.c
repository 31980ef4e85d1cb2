/* A program whose allocations are known: 4000 objects of 1000 bytes (or as many as the argument says) stay, of the tenant /acme; a
 * thread allocates and frees 20000 of 100 bytes, of the tenant /group/other; the tenant /lost goes and leaves 1000 of 2000 bytes. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenure/tenure.h>

static void** kept;
static void* lost[1000];

__attribute__((noinline)) void keep_acme(int count) {
  for (int i = 0; i < count; ++i) kept[i] = malloc(1000);
  __asm__ volatile("");
}

__attribute__((noinline)) void lose(int count) {
  for (int i = 0; i < count; ++i) lost[i] = malloc(2000);
  __asm__ volatile("" : : "r"(lost) : "memory");
}

__attribute__((noinline)) void drop_other(int count) {
  for (int i = 0; i < count; ++i) {
    void* object = malloc(100);
    __asm__ volatile("" : : "r"(object) : "memory");
    free(object);
  }
}

__attribute__((noinline)) void* run_worker(void* tenant) {
  pthread_setname_np(pthread_self(), "worker");
  const struct tenure_scope outer = tenure_enter(tenant);
  drop_other(20000);
  tenure_leave(outer);
  return NULL;
}

/* Ends at its limit. */
static int meet_limit(void) {
  struct tenure_tenant* full;
  if (tenure_tenant_create(tenure_root(), "full", 0, &full) != 0 ||
      tenure_tenant_set_limit(full, TENURE_MAX, 4 << 20) != 0 ||
      tenure_tenant_set_policy(full, TENURE_ABORT) != 0)
    return 1;
  kept = malloc(10000 * sizeof *kept);
  tenure_enter(full);
  keep_acme(10000);
  return 0;
}

static int run(int count) {
  struct tenure_tenant *acme, *group, *other, *leaver;
  if (tenure_tenant_create(tenure_root(), "acme", 0, &acme) != 0 ||
      tenure_tenant_create(tenure_root(), "group", 0, &group) != 0 ||
      tenure_tenant_create(group, "other", 0, &other) != 0 ||
      tenure_tenant_create(tenure_root(), "lost", 0, &leaver) != 0)
    return 1;
  kept = calloc((size_t)count, sizeof *kept);
  const struct tenure_scope outer = tenure_enter(acme);
  keep_acme(count);
  tenure_leave(outer);
  pthread_t thread;
  if (pthread_create(&thread, NULL, run_worker, other) != 0) return 1;
  pthread_join(thread, NULL);
  const struct tenure_scope before = tenure_enter(leaver);
  lose(1000);
  tenure_leave(before);
  if (tenure_tenant_offline(leaver, 0) != 0) return 1;
  return 0;
}

/* Does what lines on standard input ask for, until there are no more. */
static int serve_input(void) {
  char line[16];
  printf("ready\n");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (strcmp(line, "run\n") == 0 && run(4000) != 0) return 1;
    if (strcmp(line, "drop\n") == 0) drop_other(20000);
    printf("done\n");
    fflush(stdout);
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "limit") == 0) return meet_limit();
  if (argc > 1 && strcmp(argv[1], "serve") == 0) return serve_input();
  return run(argc > 1 ? atoi(argv[1]) : 4000);
}
