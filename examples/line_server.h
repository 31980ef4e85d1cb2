// A minimal TCP server of text lines in one thread, for kv_server.cpp.
#pragma once
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iostream>
#include <map>
#include <string>
#include <vector>

// Listens on a free port of the loopback interface, prints the port, and sends answer(session, line) for each line. Each connection gets a
// session. Serves until the process ends.
template <class Session, class Answer>
[[noreturn]] void serve_lines(Answer answer) {
  struct Connection {
    Session session;
    std::string input;
  };
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {};
  socklen_t length = sizeof address;
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const any = reinterpret_cast<struct sockaddr*>(&address);
  if (bind(server, any, length) != 0 || listen(server, 16) != 0) std::abort();
  getsockname(server, any, &length);
  std::cout << ntohs(address.sin_port) << std::endl;

  std::map<int, Connection> connections;
  for (;;) {
    std::vector<struct pollfd> waits = {{server, POLLIN, 0}};
    for (const auto& [fd, connection] : connections) waits.push_back({fd, POLLIN, 0});
    poll(waits.data(), waits.size(), -1);
    for (const auto& wait : waits) {
      if (wait.revents == 0) continue;
      if (wait.fd == server) {
        connections[accept(server, nullptr, nullptr)];
        continue;
      }
      auto& [session, input] = connections[wait.fd];
      char buffer[65536];
      const ssize_t count = read(wait.fd, buffer, sizeof buffer);
      if (count > 0) input.append(buffer, static_cast<size_t>(count));
      for (size_t end = 0; (end = input.find('\n')) != std::string::npos;) {
        const std::string reply = answer(session, input.substr(0, end)) + "\n";
        input.erase(0, end + 1);
        send(wait.fd, reply.data(), reply.size(), MSG_NOSIGNAL);
      }
      if (count > 0) continue;
      close(wait.fd);
      connections.erase(wait.fd);
    }
  }
}
