/* A program whose allocations are known: 4000 objects of 1000 bytes (or as many as the argument says) stay, of the tenant /acme; a
 * thread allocates and frees 20000 of 100 bytes, of the tenant /group/other; the tenant /lost goes and leaves 1000 of 2000 bytes. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenure/profile.h>
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

static uint64_t left_objects, left_bytes;

static int count_left(const struct tenure_profile_site* site, void* argument) {
  void* const object = malloc(100); /* It may. */
  free(object);
  ++*(int*)argument;
  if (!site->departed || site->depth == 0 || strcmp(site->tenant, "/lost") != 0 ||
      site->in_use_samples == 0)
    return -1;
  left_objects += site->in_use_objects;
  left_bytes += site->in_use_bytes;
  return 0;
}

/* What the departed tenant left, by a visit: 1000 objects of 2048 bytes, as estimated. */
static int visit_left(void) {
  int sites = 0;
  if (tenure_profile_start(4096) != 0 || run(4000) != 0) return 1;
  if (tenure_profile_visit(4, count_left, &sites) != -EINVAL) return 2;
  if (tenure_profile_visit(TENURE_PROFILE_IN_USE | TENURE_PROFILE_DEPARTED, count_left, &sites) !=
      0)
    return 3;
  if (sites != 1 || left_objects < 750 || left_objects > 1250) return 4;
  if (left_bytes < left_objects * 2048 - 2048 || left_bytes > left_objects * 2048 + 2048) return 5;
  if (tenure_profile_visit(TENURE_PROFILE_IN_USE, count_left, &sites) != -1)
    return 6; /* /acme's come, too. */
  const int seen = sites;
  for (int i = 0; i < 1000; ++i) free(lost[i]);
  if (tenure_profile_visit(TENURE_PROFILE_IN_USE | TENURE_PROFILE_DEPARTED, count_left, &sites) !=
      0)
    return 7;
  return sites == seen ? 0 : 8;
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
  if (argc > 1 && strcmp(argv[1], "visit") == 0) return visit_left();
  if (argc > 1 && strcmp(argv[1], "serve") == 0) return serve_input();
  return run(argc > 1 ? atoi(argv[1]) : 4000);
}
