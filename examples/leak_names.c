/* A leak detector by tenant: departed tenants keep their names until their last byte is freed. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenure/tenure.h>

enum { kBytes = 300000 };
static void* forgotten[4];
static int count;

static void plugin(const char* name, int leaks) {
  struct tenure_tenant* tenant = NULL;
  int error = tenure_tenant_create(tenure_root(), name, 0, &tenant);
  assert(error == 0);
  const struct tenure_scope outer = tenure_enter(tenant);
  void* const used = malloc(kBytes);
  assert(used != NULL);
  free(used);
  if (leaks) forgotten[count++] = malloc(kBytes);
  tenure_leave(outer);
  error = tenure_tenant_offline(tenant, 0); /* Whatever is left of it is charged to the root now. */
  assert(error == 0);
  tenure_tenant_close(tenant);
}

struct search {
  const char* name;
  size_t bytes;
};

static int look(const struct tenure_dead* dead, void* argument) {
  struct search* const search = argument;
  printf("  %s left %zu bytes\n", dead->name, dead->bytes);
  if (strcmp(dead->name, search->name) == 0) search->bytes += dead->bytes;
  return 0;
}

static size_t left_by(const char* name) {
  struct search search = {name, 0};
  const int stopped = tenure_dead_for_each(look, &search);
  assert(stopped == 0);
  return search.bytes;
}

int main(void) {
  plugin("tidy", 0);
  plugin("leaky", 1);
  tenure_reap(); /* Structures that nobody uses any more are no news. */
  puts("after the plugins:");
  assert(left_by("leaky") >= kBytes);
  assert(left_by("tidy") == 0);

  while (count > 0) free(forgotten[--count]);
  tenure_reap();
  puts("after the leak was freed:");
  assert(left_by("leaky") == 0);
  return 0;
}
