// Ten thousand connections from as many ports, under a template with a cap (files/connections.toml): nothing is left of them.

#include <fcntl.h>
#include <sys/epoll.h>

#include "sockets.h"

enum { kRounds = 50, kAtOnce = 200 };

static size_t descriptors(void) {
  size_t open = 0;
  for (int fd = 0; fd < 2000; ++fd) open += fcntl(fd, F_GETFD) != -1;
  return open;
}

static void turn_of_the_loop(int epoll) {
  struct epoll_event event;
  CHECK(epoll_wait(epoll, &event, 1, 0) == 0);
}

int main(void) {
  const struct listener listener = listen_inet();
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  static struct connection connections[kAtOnce];
  static void* values[kAtOnce];
  const size_t before = descriptors();
  for (int round = 0; round < kRounds; ++round) {
    char address[16];
    snprintf(address, sizeof address, "127.0.9.%d", 1 + round);
    for (int i = 0; i < kAtOnce; ++i) {
      connections[i] = connect_from(&listener, address);
      serve(connections[i]);
      CHECK(strncmp(current_path(), "/ports/", 7) == 0);
      values[i] = malloc(100 + (size_t)i);
    }
    CHECK(children_of("/ports") >= kAtOnce / 2 && children_of("/ports") <= kAtOnce + 1);
    for (int i = 0; i < kAtOnce; ++i) {
      end(connections[i]);
      if (i % 2 == 0) free(values[i]);
    }
    turn_of_the_loop(epoll);
    CHECK(children_of("/ports") == 0);
    for (int i = 1; i < kAtOnce; i += 2) free(values[i]);
    CHECK(usage_of("/ports") == 0);
  }
  CHECK_TENANT("/");
  CHECK(descriptors() == before);
  CHECK(tenure_reap() == 0);
  CHECK(tenure_validate() == 0);
  return 0;
}
