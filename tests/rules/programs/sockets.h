// Connections of a program with itself.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "check.h"

struct listener {
  int fd;
  struct sockaddr_in address;
};

static inline struct listener listen_inet(void) {
  struct listener made = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  made.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof made.address;
  CHECK(bind(made.fd, (struct sockaddr*)&made.address, length) == 0 && listen(made.fd, 64) == 0);
  CHECK(getsockname(made.fd, (struct sockaddr*)&made.address, &length) == 0);
  return made;
}

// A client that connects from this address.
static inline int client_from(const struct listener* to, const char* address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in from = {.sin_family = AF_INET};
  CHECK(inet_pton(AF_INET, address, &from.sin_addr) == 1);
  CHECK(bind(fd, (struct sockaddr*)&from, sizeof from) == 0);
  CHECK(connect(fd, (const struct sockaddr*)&to->address, sizeof to->address) == 0);
  return fd;
}

struct connection {
  int client, server;
};

static inline struct connection connect_from(const struct listener* listener, const char* address) {
  struct connection made = {.client = client_from(listener, address)};
  made.server = accept(listener->fd, NULL, NULL);
  CHECK(made.server >= 0);
  return made;
}

// The client sends a byte, which the server reads.
static inline void serve(struct connection of) {
  char byte = 'x';
  CHECK(write(of.client, &byte, 1) == 1);
  CHECK(read(of.server, &byte, 1) == 1);
}

static inline void end(struct connection of) {
  close(of.client);
  close(of.server);
}
