/* Says whether its malloc is Tenure's: what it allocates shows in Tenure's own count. A thread that it starts inside a
 * durable tenant must be in there, whichever libc it is linked with. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <tenure/tenure.h>

static size_t allocated(void) {
  struct tenure_stats stats = {.struct_size = sizeof stats};
  return tenure_stats(&stats) == 0 ? stats.allocated : 0;
}

static void* current(void* unused) {
  (void)unused;
  return tenure_current();
}

static int inherits(void) {
  struct tenure_tenant* tenant = NULL;
  if (tenure_tenant_create(tenure_root(), "consumer", TENURE_DURABLE, &tenant) != 0) return 0;
  const struct tenure_scope outer = tenure_enter(tenant);
  pthread_t thread;
  void* inside = NULL;
  const int error = pthread_create(&thread, NULL, current, NULL);
  tenure_leave(outer);
  if (error == 0) pthread_join(thread, &inside);
  return tenure_tenant_offline(tenant, 0) == 0 && inside == tenant;
}

int main(void) {
  const size_t size = 64 << 20;
  const size_t before = allocated();
  void* volatile block = malloc(size);
  const size_t after = allocated();
  free(block);
  printf("version %s, malloc is %s\n", tenure_version(),
         after >= before + size && tenure_active() && inherits() ? "tenure" : "not");
  return 0;
}
