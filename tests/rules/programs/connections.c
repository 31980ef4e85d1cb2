// Connections under rules (files/connections.toml): who is served, what ends it, the life of descriptors.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "sockets.h"

static struct listener listener;

// Lets tenants without members go: a call of an event loop.
static void tidy_up(void) {
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event;
  CHECK(epoll_wait(fd, &event, 1, 0) == 0);
  close(fd);
}

static void who_is_served(void) {
  const struct connection a = connect_from(&listener, "127.0.0.2"),
                          b = connect_from(&listener, "127.0.0.3"),
                          nobody = connect_from(&listener, "127.0.0.9");
  CHECK_TENANT("/");
  serve(a);
  CHECK_TENANT("/clients/127.0.0.2");
  CHECK(limit_of("/clients/127.0.0.2", TENURE_MAX) == 8 << 20);
  void* const stored = malloc(4 << 20);
  serve(b);
  CHECK_TENANT("/clients/127.0.0.3");
  // The value stays with the client that stored it, whoever deletes it.
  CHECK(is_owned_by(stored, "/clients/127.0.0.2") && usage_of("/clients/127.0.0.2") >= 4 << 20);
  free(stored);
  CHECK(usage_of("/clients/127.0.0.2") == 0);
  // A connection that no rule knows is nobody's, and not the last client's.
  serve(nobody);
  CHECK_TENANT("/");
  // A file or a pipe is no connection: the thread goes on for the client.
  serve(a);
  int ends[2];
  CHECK(pipe(ends) == 0);
  char byte = 'x';
  CHECK(write(ends[1], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1);
  CHECK_TENANT("/clients/127.0.0.2");
  close(ends[0]);
  close(ends[1]);
  end(a);
  end(b);
  end(nobody);
  tidy_up();
  CHECK(children_of("/clients") == 0);
}

// Tenants get lists of their own when they have much of a size: who is served is told as before.
static void busy_clients(void) {
  enum { kBlocks = 4000 };
  static void* blocks[2][kBlocks];
  const struct connection both[2] = {connect_from(&listener, "127.0.0.2"),
                                     connect_from(&listener, "127.0.0.3")};
  const char* const paths[2] = {"/clients/127.0.0.2", "/clients/127.0.0.3"};
  for (int i = 0; i < kBlocks; ++i) {
    serve(both[i % 2]);
    CHECK_TENANT(paths[i % 2]);
    for (int k = 0; k < 2; ++k) blocks[k][i] = malloc(1000);
    CHECK(is_owned_by(blocks[0][i], paths[i % 2]) && is_owned_by(blocks[1][i], paths[i % 2]));
    if (i % 16 == 0) tidy_up();
  }
  for (int i = 0; i < kBlocks; ++i) {
    free(blocks[0][i]);
    free(blocks[1][i]);
  }
  end(both[0]);
  end(both[1]);
  tidy_up();
}

static void ways_to_read(void) {
  const struct connection c = connect_from(&listener, "127.0.0.2");
  char bytes[4] = "abc";
  struct iovec part = {bytes, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  struct mmsghdr messages = {.msg_hdr = message};
  for (int way = 0; way < 6; ++way) {
    tidy_up();
    CHECK_TENANT("/");
    CHECK(write(c.client, bytes, 1) == 1);
    switch (way) {
    case 0:
      CHECK(read(c.server, bytes, 1) == 1);
      break;
    case 1:
      CHECK(readv(c.server, &part, 1) == 1);
      break;
    case 2:
      CHECK(recv(c.server, bytes, 1, 0) == 1);
      break;
    case 3:
      CHECK(recvfrom(c.server, bytes, 1, 0, NULL, NULL) == 1);
      break;
    case 4:
      CHECK(recvmsg(c.server, &message, 0) == 1);
      break;
    default:
      CHECK(recvmmsg(c.server, &messages, 1, 0, NULL) == 1);
    }
    CHECK_TENANT("/clients/127.0.0.2");
  }
  // What fails changes nothing, and keeps errno.
  tidy_up();
  errno = 0;
  CHECK(recv(c.server, bytes, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
  CHECK_TENANT("/");
  end(c);
}

static void ways_to_wait(void) {
  const struct connection c = connect_from(&listener, "127.0.0.2");
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event;
  struct pollfd poll_one = {.fd = c.server, .events = POLLIN};
  const struct timespec now = {0, 0};
  struct timeval soon = {0, 0};
  for (int way = 0; way < 6; ++way) {
    serve(c);
    CHECK_TENANT("/clients/127.0.0.2");
    switch (way) {
    case 0:
      CHECK(epoll_wait(epoll, &event, 1, 0) == 0);
      break;
    case 1:
      CHECK(epoll_pwait(epoll, &event, 1, 0, NULL) == 0);
      break;
    case 2:
      CHECK(poll(&poll_one, 1, 0) == 0);
      break;
    case 3:
      CHECK(ppoll(&poll_one, 1, &now, NULL) == 0);
      break;
    case 4:
      CHECK(select(0, NULL, NULL, NULL, &soon) == 0);
      break;
    default:
      CHECK(pselect(0, NULL, NULL, NULL, &now, NULL) == 0);
    }
    CHECK_TENANT("/");
  }
  close(epoll);
  end(c);
}

static void copies(void) {
  struct connection c = connect_from(&listener, "127.0.0.2");
  const int copy = dup(c.server), by_fcntl = fcntl(c.server, F_DUPFD_CLOEXEC, 50);
  close(c.server);
  tidy_up();
  CHECK(is_online("/clients/127.0.0.2"));
  c.server = by_fcntl;
  serve(c);
  CHECK_TENANT("/clients/127.0.0.2");
  close(by_fcntl);
  // A copy over another connection closes that.
  const struct connection other = connect_from(&listener, "127.0.0.3");
  CHECK(dup2(copy, other.server) == other.server);
  tidy_up();
  CHECK(!is_online("/clients/127.0.0.3"));
  c.server = other.server;
  serve(c);
  CHECK_TENANT("/clients/127.0.0.2");
  close(copy);
  tidy_up();
  CHECK(is_online("/clients/127.0.0.2"));
  // A file over a connection, too.
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  CHECK(dup3(null, c.server, O_CLOEXEC) == c.server);
  tidy_up();
  CHECK(!is_online("/clients/127.0.0.2"));
  close(null);
  close(c.server);
  close(c.client);
  close(other.client);
  // The number is another connection's at once.
  struct connection first = connect_from(&listener, "127.0.0.4");
  const int number = first.server;
  struct connection second = {.client = client_from(&listener, "127.0.0.5")};
  close(first.server);
  second.server = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC);
  CHECK(second.server == number);
  serve(second);
  CHECK_TENANT("/clients/127.0.0.5");
  tidy_up();
  CHECK(!is_online("/clients/127.0.0.4"));
  close(first.client);
  // Closed by the range, and by a stream.
  FILE* const stream = fdopen(second.server, "r");
  fclose(stream);
  close(second.client);
  const struct connection ranged = connect_from(&listener, "127.0.0.6");
  CHECK(close_range((unsigned)ranged.server, (unsigned)ranged.server, 0) == 0);
  close(ranged.client);
  tidy_up();
  CHECK(children_of("/clients") == 0);
}

static void passing_on(void) {
  struct connection c = connect_from(&listener, "127.0.0.2");
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  char byte = 'x';
  struct iovec part = {&byte, 1};
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  struct cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &c.server, sizeof(int));
  CHECK(sendmsg(pair[0], &message, 0) == 1);
  close(c.server);
  tidy_up();
  CHECK(!is_online("/clients/127.0.0.2"));
  CHECK(recvmsg(pair[1], &message, 0) == 1);
  memcpy(&c.server, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
  serve(c);
  CHECK_TENANT("/clients/127.0.0.2");
  close(pair[0]);
  close(pair[1]);
  end(c);
}

static void children(const char* self) {
  const struct connection c = connect_from(&listener, "127.0.0.2");
  pid_t child = fork();
  if (child == 0) {
    serve(c);
    CHECK_TENANT("/clients/127.0.0.2");
    end(c);
    tidy_up();
    CHECK(!is_online("/clients/127.0.0.2"));
    CHECK(tenure_validate() == 0);
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(is_online("/clients/127.0.0.2"));
  // A child of vfork closes its own descriptors, in its parent's memory.
  child = vfork();
  if (child == 0) {
    close(c.server);
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  serve(c);
  CHECK_TENANT("/clients/127.0.0.2");
  // Another program is given the connection.
  char client[16], server[16];
  snprintf(client, sizeof client, "%d", c.client);
  snprintf(server, sizeof server, "%d", c.server);
  CHECK(fcntl(c.client, F_SETFD, 0) == 0);
  child = fork();
  if (child == 0) {
    closefrom(c.server > c.client ? c.server + 1 : c.client + 1);  // As daemons do; the rules stay.
    execl(self, self, client, server, (char*)NULL);
    _exit(1);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  end(c);
}

static void* serves(void* connection) {
  serve(*(struct connection*)connection);
  CHECK_TENANT("/clients/127.0.0.2");
  // It may be closed by another thread meanwhile: this one is inside until it waits.
  return NULL;
}

static void threads(void) {
  struct connection c = connect_from(&listener, "127.0.0.2");
  pthread_t one, two;
  CHECK(pthread_create(&one, NULL, serves, &c) == 0 && pthread_create(&two, NULL, serves, &c) == 0);
  pthread_join(one, NULL);
  pthread_join(two, NULL);
  serve(c);
  end(c);
  CHECK_TENANT("/clients/127.0.0.2");
  CHECK(is_online("/clients/127.0.0.2"));
  tidy_up();
  CHECK(!is_online("/clients/127.0.0.2"));
}

static void scopes(void) {
  const struct connection c = connect_from(&listener, "127.0.0.2"),
                          d = connect_from(&listener, "127.0.0.3");
  struct tenure_tenant* own = NULL;
  CHECK(tenure_tenant_create(NULL, "own", 0, &own) == 0);
  serve(c);
  const struct tenure_scope outer = tenure_enter(own);
  serve(d);
  CHECK_TENANT("/own");
  tidy_up();
  CHECK_TENANT("/own");
  tenure_leave(outer);
  CHECK_TENANT("/clients/127.0.0.2");
  serve(d);
  CHECK_TENANT("/clients/127.0.0.3");
  tidy_up();
  CHECK_TENANT("/");
  CHECK(tenure_tenant_offline(own, 0) == 0);
  tenure_tenant_close(own);
  end(c);
  end(d);
}

static void unix_sockets(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
                              "tenure-rules-test-%d", (int)getpid());
  const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
  const int listening = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(bind(listening, (struct sockaddr*)&address, size) == 0 && listen(listening, 5) == 0);
  struct connection c = {.client = socket(AF_UNIX, SOCK_STREAM, 0)};
  CHECK(connect(c.client, (struct sockaddr*)&address, size) == 0);
  c.server = accept(listening, NULL, NULL);
  serve(c);
  char path[64];
  snprintf(path, sizeof path, "/unix/%d-rules_connections", (int)getuid());
  CHECK_TENANT(path);
  close(listening);
  end(c);
  tidy_up();
}

// An inherited connection.
static int given(const char* client, const char* server) {
  const struct connection c = {atoi(client), atoi(server)};
  CHECK_TENANT("/");
  serve(c);
  CHECK_TENANT("/clients/127.0.0.2");
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 3) return given(argv[1], argv[2]);
  listener = listen_inet();
  who_is_served();
  busy_clients();
  ways_to_read();
  ways_to_wait();
  copies();
  passing_on();
  children(argv[0]);
  threads();
  scopes();
  unix_sockets();
  tidy_up();
  CHECK(children_of("/clients") == 0 && children_of("/unix") == 0);
  CHECK(usage_of("/clients") == 0);
  CHECK(tenure_validate() == 0);
  return 0;
}
