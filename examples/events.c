/* An event loop that watches a tenant's memory: the tenant's eventfd becomes readable when usage goes above high. */
#undef NDEBUG
#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <tenure/tenure.h>
#include <unistd.h>

enum { kBlock = 256 << 10, kBlocks = 32, kHigh = 4 << 20 };
static void* cache[kBlocks]; /* Objects that the service could do without. */
static int cached;

static void drop_half(void) {
  for (const int keep = cached / 2; cached > keep;) free(cache[--cached]);
}

int main(void) {
  struct tenure_tenant* tenant = NULL;
  int error = tenure_tenant_create(tenure_root(), "worker", 0, &tenant);
  assert(error == 0);
  error = tenure_tenant_set_limit(tenant, TENURE_HIGH, kHigh);
  assert(error == 0);
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  assert(fd >= 0);
  error = tenure_tenant_set_eventfd(tenant, fd, TENURE_EVENT_BIT(TENURE_EVENT_HIGH));
  assert(error == 0);

  int events = 0;
  for (int request = 0; request < kBlocks; ++request) {
    const struct tenure_scope outer = tenure_enter(tenant);
    cache[cached] = malloc(kBlock); /* Above high nothing fails. */
    assert(cache[cached] != NULL);
    ++cached;
    tenure_leave(outer);

    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, 0) == 1) { /* In a service: one descriptor among its sockets. */
      eventfd_t value;
      eventfd_read(fd, &value);
      const uint32_t happened =
          tenure_tenant_read_events(tenant); /* From now on it is told again. */
      assert(happened == TENURE_EVENT_BIT(TENURE_EVENT_HIGH));
      printf("request %d: above high with %d blocks\n", request, cached);
      drop_half();
      ++events;
    }
  }
  assert(events >= 1 && cached < kBlocks);

  while (cached > 0) free(cache[--cached]);
  error = tenure_tenant_set_eventfd(tenant, -1, 0); /* Before the descriptor is closed. */
  assert(error == 0);
  close(fd);
  error = tenure_tenant_offline(tenant, 0);
  assert(error == 0);
  tenure_tenant_close(tenant);
  return 0;
}
