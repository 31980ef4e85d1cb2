// tenure export: figures for Prometheus.
#include <fmt/core.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>

#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"
#include "tools/tenure/commands/http_server.h"
#include "tools/tenure/model/open_metrics.h"

namespace tenure::tool {
namespace {

struct Request {
  std::vector<std::string> processes;
  std::string listen, output, format = "openmetrics";
  uint64_t most_tenants = 1000;
};

constexpr char kOpenMetricsType[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";
constexpr char kPrometheusType[] = "text/plain; version=0.0.4; charset=utf-8";

// What is exported of now. Processes that were named and have ended meanwhile are left out.
Sample take_sample(const std::vector<std::string>& processes) {
  if (processes.empty()) return read_all();
  Sample sample;
  sample.time_ns = realtime_ns();
  for (const std::string& process : processes) {
    try {
      Located located = find_process(process);
      if (located.process) sample.processes.push_back(sample_process(located));
    } catch (const Failure&) {
      continue;
    }
  }
  return sample;
}

class Exporter {
public:
  explicit Exporter(const Request& request) : request_(request), writer_(request.most_tenants) {}

  std::string page(Exposition exposition) {
    Text out;
    writer_.write(out, take_sample(request_.processes), exposition);
    return out;
  }

  HttpResponse respond(const HttpRequest& request) {
    if (request.path == "/")
      return {200, "text/html; charset=utf-8",
              "<html><head><title>Tenure</title></head><body><a href=\"/metrics\">Metrics</a>"
              "</body></html>\n"};
    if (request.path != "/metrics") return {404, "text/plain", "only /metrics is here\n"};
    const bool open = request.accept.find("application/openmetrics-text") != std::string::npos;
    return {200, open ? kOpenMetricsType : kPrometheusType,
            page(open ? Exposition::kOpenMetrics : Exposition::kPrometheus)};
  }

private:
  const Request& request_;
  MetricsWriter writer_;
};

// By way of a second file, so that no reader finds half of it.
void write_file(const std::string& path, const std::string& text) {
  const std::string temporary = fmt::format("{}.{}", path, getpid());
  std::ofstream file(temporary, std::ios::binary);
  file << text;
  file.close();
  if (!file || rename(temporary.c_str(), path.c_str()) != 0) {
    unlink(temporary.c_str());
    throw Failure("export: " + path + " cannot be written");
  }
}

int export_metrics(const Request& request) {
  if (request.format != "openmetrics" && request.format != "prometheus")
    throw Failure("export: there is no format '" + request.format +
                  "', only openmetrics and prometheus");
  Exporter exporter(request);
  if (!request.listen.empty()) {
    HttpServer server(request.listen,
                      [&](const HttpRequest& http) { return exporter.respond(http); });
    fmt::print(stderr, "tenure: http://{}/metrics\n", server.address());
    server.serve();
    return 0;
  }
  for (const std::string& process : request.processes)
    find_process(process);  // Says what is wrong.
  const std::string page = exporter.page(request.format == "openmetrics" ? Exposition::kOpenMetrics
                                                                         : Exposition::kPrometheus);
  if (request.output.empty())
    print(page);
  else
    write_file(request.output, page);
  return 0;
}

}  // namespace

void add_export(CLI::App& app, Action& action) {
  Command command(
      app, "export", "Print figures for Prometheus, or serve them over HTTP",
      "  tenure export --listen 127.0.0.1:9464        # until SIGTERM; page /metrics\n"
      "  tenure export 4711                           # once, to standard output\n"
      "  tenure export --format prometheus -o /var/lib/prometheus/node-exporter/tenure.prom\n"
      "\n"
      "Without PID: all processes that this user may look at, found anew at each scrape. See "
      "docs/operating.md for the\n"
      "scrape configuration, alert rules and a Grafana dashboard.");
  static Request request;
  command.processes(request.processes);
  command.option("--listen", request.listen, "HOST:PORT", "Serve at this address");
  command.option("-o,--output", request.output, "FILE", "Write to this file, in one step");
  command.option("--format", request.format, "FORMAT", "openmetrics (default) or prometheus");
  command.number("--tenants", request.most_tenants, "NUMBER",
                 "Tenants of a process that get labels; the others are summed as "
                 "tenant=\"other\" (default 1000)");
  command.runs(action, [] { return export_metrics(request); });
}

}  // namespace tenure::tool
