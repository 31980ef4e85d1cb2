/* A C program, in which nothing has loaded libgcc before the first thread ends by force in a tenant at its limit. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenure/tenure.h>

static void* exits(void* argument) {
  if (malloc(16) != NULL) exit(2);
  pthread_exit(argument);
}

static void* is_cancelled(void* argument) {
  pthread_cancel(pthread_self());
  pthread_testcancel();
  return argument;
}

int main(int count, char** arguments) {
  struct tenure_tenant* tenant;
  if (count != 2 || tenure_tenant_create(NULL, "full", TENURE_DURABLE, &tenant) != 0) return 3;
  if (tenure_tenant_set_limit(tenant, TENURE_MAX, 256 << 10) != 0) return 3;
  for (size_t size = 65536; size >= 16; size /= 2) {
    while (tenure_malloc(tenant, size) != NULL) {
    }
  }
  const int by_itself = strcmp(arguments[1], "exit") == 0;
  const struct tenure_scope outer = tenure_enter(tenant);
  pthread_t thread;
  void* result = NULL;
  const int error = pthread_create(&thread, NULL, by_itself ? exits : is_cancelled, tenant);
  tenure_leave(outer);
  if (error != 0 || pthread_join(thread, &result) != 0) return 4;
  return result == (by_itself ? (void*)tenant : PTHREAD_CANCELED) ? 0 : 5;
}
