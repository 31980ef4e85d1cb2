// Programs that run under rules: what they see through the C API. They link no library of ours.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define TENURE_WEAK
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenure/tenure.h>
#include <unistd.h>

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                \
    }                                                                         \
  } while (0)

// The current tenant's path is this one.
#define CHECK_TENANT(path)                                                                    \
  do {                                                                                        \
    if (strcmp(current_path(), path) != 0) {                                                  \
      fprintf(stderr, "%s:%d: in tenant %s, not in %s\n", __FILE__, __LINE__, current_path(), \
              path);                                                                          \
      abort();                                                                                \
    }                                                                                         \
  } while (0)

static inline const char* current_path(void) {
  static _Thread_local char path[512];
  tenure_tenant_path(tenure_current(), path, sizeof path);
  return path;
}

static inline int is_online(const char* path) {
  struct tenure_tenant* const tenant = tenure_tenant_find(path);
  if (tenant == NULL) return 0;
  tenure_tenant_close(tenant);
  return 1;
}

static inline size_t limit_of(const char* path, enum tenure_limit which) {
  struct tenure_tenant* const tenant = tenure_tenant_find(path);
  CHECK(tenant != NULL);
  const size_t limit = tenure_tenant_limit(tenant, which);
  tenure_tenant_close(tenant);
  return limit;
}

static inline size_t children_of(const char* path) {
  struct tenure_tenant* const tenant = tenure_tenant_find(path);
  CHECK(tenant != NULL);
  struct tenure_tenant_stats stats = {.struct_size = sizeof stats};
  CHECK(tenure_tenant_stats(tenant, &stats) == 0);
  tenure_tenant_close(tenant);
  return stats.children;
}

static inline size_t usage_of(const char* path) {
  struct tenure_tenant* const tenant = tenure_tenant_find(path);
  CHECK(tenant != NULL);
  struct tenure_tenant_stats stats = {.struct_size = sizeof stats};
  CHECK(tenure_tenant_stats(tenant, &stats) == 0);
  tenure_tenant_close(tenant);
  return stats.usage;
}

// Whose the block is.
static inline int is_owned_by(const void* block, const char* path) {
  char owner[512];
  struct tenure_tenant* const tenant = tenure_owner(block);
  tenure_tenant_path(tenant, owner, sizeof owner);
  tenure_tenant_close(tenant);
  return strcmp(owner, path) == 0;
}
