// A small HTTP/1.1 server for pages that are made at each request. One thread, no dependencies; bounded in everything a client may
// do: length of a request, number of connections, time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/tenure/reader/region.h"

namespace tenure::tool {

struct HttpRequest {
  std::string method, path;
  std::string accept;  // Of the header field of this name.
};
struct HttpResponse {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
};

class HttpServer {
public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // "127.0.0.1:9464", "[::1]:9464", ":9464" for all addresses, port 0 for a free one. Throws a Failure where it cannot listen.
  HttpServer(const std::string& address, Handler handler);
  // The address with the port that it really has.
  std::string address() const;
  // Serves until SIGINT or SIGTERM.
  void serve();

private:
  struct Connection {
    Descriptor fd;
    std::string in, out;
    size_t sent = 0;
    int64_t deadline_ms = 0;
  };

  void accept_one();
  // Whether the connection goes on.
  bool read_some(Connection& connection);
  bool write_some(Connection& connection);
  void answer(Connection& connection);

  Descriptor listener_;
  Handler handler_;
  std::vector<Connection> connections_;
};

}  // namespace tenure::tool
