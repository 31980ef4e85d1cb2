/* A program that is linked without libtenure. It uses tenants if the library is preloaded, and runs without tenants otherwise. Try both:
 *   weak_use; LD_PRELOAD=libtenure.so weak_use */
#undef NDEBUG
#define TENURE_WEAK /* Before the header: every function may be missing. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenure/tenure.h>

enum { kBytes = 8 << 20, kMax = 4 << 20 };

static int fits(size_t bytes) {
  void* const volatile block = malloc(bytes);
  free(block);
  return block != NULL;
}

int main(int count, char** words) {
  struct tenure_tenant* tenant = NULL;
  struct tenure_scope outer = {0};
  if (tenure_available()) {
    int error = tenure_tenant_create(tenure_root(), "guest", 0, &tenant);
    assert(error == 0);
    error = tenure_tenant_set_limit(tenant, TENURE_MAX, kMax);
    assert(error == 0);
    outer = tenure_enter(tenant);
  }

  const int fitted = fits(kBytes); /* The work itself is the same. */

  if (tenure_available()) {
    tenure_leave(outer);
    const int error = tenure_tenant_offline(tenant, 0);
    assert(error == 0);
    tenure_tenant_close(tenant);
  }
  printf("%s: %s\n", tenure_available() ? "with Tenure" : "without",
         fitted ? "granted" : "refused");
  assert(fitted == !tenure_available());
  /* The tests say which of the two they expect. */
  if (count > 1) assert(tenure_available() == (strcmp(words[1], "with") == 0));
  return 0;
}
