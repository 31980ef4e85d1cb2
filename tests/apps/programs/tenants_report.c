// Preloaded beside the allocator: writes at exit which tenant used what, to the file that APPS_TENANTS names with the process's number behind it.
#define _GNU_SOURCE
#define TENURE_WEAK
#include <stdio.h>
#include <stdlib.h>
#include <tenure/tenure.h>
#include <unistd.h>

static int write_one(struct tenure_tenant* tenant, void* file) {
  char path[512];
  struct tenure_tenant_stats stats = {.struct_size = sizeof stats};
  if (tenure_tenant_stats(tenant, &stats) != 0) return 0;
  tenure_tenant_path(tenant, path, sizeof path);
  fprintf((FILE*)file, "%s %zu %zu %zu %zu\n", path, stats.usage, stats.peak, stats.failures,
          tenure_tenant_limit(tenant, TENURE_MAX));
  return 0;
}

__attribute__((destructor)) static void report(void) {
  const char* const name = getenv("APPS_TENANTS");
  if (name == NULL || !tenure_available()) return;
  char path[512];
  snprintf(path, sizeof path, "%s.%d", name, (int)getpid());
  FILE* const file = fopen(path, "w");
  if (file == NULL) return;
  tenure_tenant_for_each(NULL, write_one, file);
  fclose(file);
}
