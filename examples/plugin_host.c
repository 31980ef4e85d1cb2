/* A host that gives each plugin a tenant with a limit. malloc fails in the plugin that requests too much, and in no other plugin and not in
 * the host. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenure/tenure.h>

enum { kBlock = 1 << 20, kBlocks = 64, kMax = 16 << 20 };

/* A plugin returns the number of blocks that it got. */
static int use_blocks(int wanted) {
  void* blocks[kBlocks];
  int got = 0;
  while (got < wanted && (blocks[got] = malloc(kBlock)) != NULL) memset(blocks[got++], 1, kBlock);
  for (int i = 0; i < got; ++i) free(blocks[i]);
  return got;
}
static int modest(void) { return use_blocks(4); }
static int greedy(void) { return use_blocks(kBlocks); }

static struct tenure_tenant_stats run(const char* name, int (*plugin)(void), int* got) {
  struct tenure_tenant* tenant = NULL;
  int error = tenure_tenant_create(tenure_root(), name, 0, &tenant);
  assert(error == 0);
  error = tenure_tenant_set_limit(tenant, TENURE_MAX, kMax);
  assert(error == 0);

  const struct tenure_scope outer = tenure_enter(tenant);
  *got = plugin();
  tenure_leave(outer);

  struct tenure_tenant_stats stats = {.struct_size = sizeof stats};
  error = tenure_tenant_stats(tenant, &stats);
  assert(error == 0);
  error = tenure_tenant_offline(tenant, 0);
  assert(error == 0);
  tenure_tenant_close(tenant);
  return stats;
}

int main(void) {
  int got = 0;
  struct tenure_tenant_stats stats = run("greedy", greedy, &got);
  printf("greedy: %d blocks of %d, peak %zu, refused %zu\n", got, kBlocks, stats.peak,
         stats.failures);
  assert(got > 0 && got <= kMax / kBlock);
  assert(stats.failures > 0 && stats.peak <= kMax);

  stats = run("modest", modest, &got);
  printf("modest: %d blocks of 4, peak %zu, refused %zu\n", got, stats.peak, stats.failures);
  assert(got == 4 && stats.failures == 0);

  void* const own = malloc(2 * (size_t)kMax); /* The host has no limit. */
  assert(own != NULL);
  free(own);
  return 0;
}
