#include "tools/tenure/commands/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fmt/core.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include <memory>

namespace tenure::tool {
namespace {

constexpr size_t kMostConnections = 64;
constexpr size_t kMostRequestBytes = 8192;
constexpr int64_t kPatienceMs = 10'000;

volatile sig_atomic_t is_ended = 0;
void end_serving(int) { is_ended = 1; }

int64_t now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

const char* reason_of(int status) {
  switch (status) {
  case 200:
    return "OK";
  case 400:
    return "Bad Request";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 431:
    return "Request Header Fields Too Large";
  default:
    return "Internal Server Error";
  }
}

// Without the port, and the port.
std::pair<std::string, std::string> split(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon + 1 == address.size())
    throw Failure("export: '" + address + "' is no address: say 127.0.0.1:9464");
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  return {host, address.substr(colon + 1)};
}

// "Name: value" out of the head of a request; names in any case.
std::string field_of(const std::string& head, const char* name) {
  const size_t length = strlen(name);
  for (size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at)) {
    at += 2;
    if (strncasecmp(head.c_str() + at, name, length) != 0 || head[at + length] != ':') continue;
    const size_t start = head.find_first_not_of(" \t", at + length + 1);
    return head.substr(start, head.find("\r\n", start) - start);
  }
  return "";
}

}  // namespace

HttpServer::HttpServer(const std::string& address, Handler handler) : handler_(std::move(handler)) {
  const auto [host, port] = split(address);
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &list);
  if (error != 0) throw Failure(fmt::format("export: {}: {}", address, gai_strerror(error)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(list, freeaddrinfo);
  int problem = 0;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    Descriptor fd(socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd.get(), each->ai_addr, each->ai_addrlen) == 0 && listen(fd.get(), 64) == 0) {
      listener_ = std::move(fd);
      return;
    }
    problem = errno;
  }
  throw Failure(fmt::format("export: {}: {}", address, strerror(problem)));
}

std::string HttpServer::address() const {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
  getsockname(listener_.get(), address, &length);
  getnameinfo(address, length, host, sizeof host, port, sizeof port,
              NI_NUMERICHOST | NI_NUMERICSERV);
  return storage.ss_family == AF_INET6 ? fmt::format("[{}]:{}", host, port)
                                       : fmt::format("{}:{}", host, port);
}

void HttpServer::accept_one() {
  Descriptor fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (fd.get() < 0) return;
  connections_.push_back({std::move(fd), "", "", 0, now_ms() + kPatienceMs});
}

void HttpServer::answer(Connection& connection) {
  HttpResponse response;
  const std::string& head = connection.in;
  const size_t first = head.find(' '), second = head.find(' ', first + 1);
  HttpRequest request;
  if (head.size() >= kMostRequestBytes) {
    response = {431, "text/plain", "the request is too long\n"};
  } else if (first == std::string::npos || second == std::string::npos ||
             second > head.find("\r\n")) {
    response = {400, "text/plain", "this is no HTTP request\n"};
  } else {
    request = {head.substr(0, first), head.substr(first + 1, second - first - 1),
               field_of(head, "Accept")};
    request.path = request.path.substr(0, request.path.find('?'));
    if (request.method != "GET" && request.method != "HEAD")
      response = {405, "text/plain", "only GET and HEAD\n"};
    else
      response = handler_(request);
  }
  connection.out =
      fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
                  "Connection: close\r\n\r\n",
                  response.status, reason_of(response.status), response.type, response.body.size());
  if (request.method != "HEAD") connection.out += response.body;
}

bool HttpServer::read_some(Connection& connection) {
  char buffer[4096];
  const ssize_t n = recv(connection.fd.get(), buffer, sizeof buffer, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  connection.in.append(buffer, static_cast<size_t>(n));
  if (connection.in.find("\r\n\r\n") != std::string::npos ||
      connection.in.size() >= kMostRequestBytes) {
    answer(connection);
    return write_some(connection);
  }
  return true;
}

bool HttpServer::write_some(Connection& connection) {
  while (connection.sent < connection.out.size()) {
    const ssize_t n = send(connection.fd.get(), connection.out.data() + connection.sent,
                           connection.out.size() - connection.sent, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    connection.sent += static_cast<size_t>(n);
  }
  shutdown(connection.fd.get(), SHUT_WR);
  return false;
}

void HttpServer::serve() {
  sigset_t blocked, open;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGINT);
  sigaddset(&blocked, SIGTERM);
  // Let through during ppoll() alone, so that none is missed between the test and the wait.
  sigprocmask(SIG_BLOCK, &blocked, &open);
  struct sigaction action {};
  action.sa_handler = end_serving;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  while (is_ended == 0) {
    std::vector<pollfd> polled;
    const bool is_full = connections_.size() >= kMostConnections;
    polled.push_back({listener_.get(), static_cast<short>(is_full ? 0 : POLLIN), 0});
    for (const Connection& connection : connections_)
      polled.push_back(
          {connection.fd.get(), static_cast<short>(connection.out.empty() ? POLLIN : POLLOUT), 0});
    const timespec second{1, 0};
    const int ready =
        ppoll(polled.data(), polled.size(), connections_.empty() ? nullptr : &second, &open);
    if (ready < 0 && errno != EINTR) throw Failure(std::string("export: ") + strerror(errno));
    if (ready < 0) continue;
    const int64_t now = now_ms();
    for (size_t i = connections_.size(); i-- > 0;) {
      Connection& connection = connections_[i];
      bool goes_on = connection.deadline_ms > now;
      if (goes_on && polled[i + 1].revents != 0)
        goes_on = connection.out.empty() ? read_some(connection) : write_some(connection);
      if (!goes_on) connections_.erase(connections_.begin() + static_cast<int64_t>(i));
    }
    if (polled[0].revents != 0) accept_one();
  }
}

}  // namespace tenure::tool
