// Threads that accept, serve, copy and close each other's connections, while another one forks (files/connections.toml): nothing is left.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "sockets.h"

enum { kThreads = 4, kRounds = 150, kSlots = 16, kForks = 15 };

static struct listener listener;
static int slots[kSlots];  // Descriptors that any thread may serve or close; -1: none.
static int is_over;

static void turn_of_the_loop(void) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event;
  epoll_wait(epoll, &event, 1, 0);
  close(epoll);
}

static void* works(void* seed) {
  unsigned state = (unsigned)(uintptr_t)seed;
  void* kept[kSlots] = {NULL};
  for (int round = 0; round < kRounds; ++round) {
    char address[16];
    snprintf(address, sizeof address, "127.0.0.%d", 1 + rand_r(&state) % 7);
    const struct connection c = connect_from(&listener, address);
    const int slot = rand_r(&state) % kSlots;
    char byte = 'x';
    if (write(c.client, &byte, 1) == 1 && read(c.server, &byte, 1) == 1) {
      free(kept[slot]);
      kept[slot] = malloc(1 + (size_t)(rand_r(&state) % 5000));
    }
    close(c.client);
    // The end of the stream is read by whoever finds the connection.
    const int other = __atomic_exchange_n(&slots[slot], dup(c.server), __ATOMIC_ACQ_REL);
    close(c.server);
    if (other >= 0) {
      CHECK(read(other, &byte, 1) <= 0);
      close(other);
    }
    if (round % 3 == 0) turn_of_the_loop();
  }
  for (int i = 0; i < kSlots; ++i) free(kept[i]);
  turn_of_the_loop();
  return NULL;
}

static void* forks(void* unused) {
  (void)unused;
  for (int i = 0; i < kForks && !__atomic_load_n(&is_over, __ATOMIC_ACQUIRE); ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      // Connections of the child's own; what others were in the midst of does not matter.
      const struct listener own = listen_inet();
      const struct connection c = connect_from(&own, "127.0.0.7");
      serve(c);
      CHECK_TENANT("/clients/127.0.0.7");
      end(c);
      for (int k = 0; k < kSlots; ++k) {
        if (slots[k] >= 0) close(slots[k]);
      }
      turn_of_the_loop();
      CHECK_TENANT("/");
      const int valid = tenure_validate();
      CHECK(valid == 0 || valid == -EOWNERDEAD);
      _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
  }
  return NULL;
}

int main(void) {
  listener = listen_inet();
  for (int i = 0; i < kSlots; ++i) slots[i] = -1;
  pthread_t workers[kThreads], forker;
  CHECK(pthread_create(&forker, NULL, forks, NULL) == 0);
  for (uintptr_t i = 0; i < kThreads; ++i)
    CHECK(pthread_create(&workers[i], NULL, works, (void*)(i + 1)) == 0);
  for (int i = 0; i < kThreads; ++i) pthread_join(workers[i], NULL);
  __atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
  pthread_join(forker, NULL);
  for (int i = 0; i < kSlots; ++i) {
    if (slots[i] >= 0) close(slots[i]);
  }
  turn_of_the_loop();
  CHECK(children_of("/clients") == 0 && usage_of("/clients") == 0);
  CHECK(tenure_reap() == 0);
  CHECK(tenure_validate() == 0);
  return 0;
}
