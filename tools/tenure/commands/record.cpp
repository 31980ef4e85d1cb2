// tenure record.
#include <errno.h>
#include <fmt/core.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <memory>

#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"
#include "tools/tenure/commands/live_source.h"
#include "tools/tenure/model/recording.h"

namespace tenure::tool {
namespace {

struct Request {
  std::vector<std::string> processes;
  std::string output, interval = "1s", duration;
};

volatile sig_atomic_t is_ended = 0;
void end_recording(int) { is_ended = 1; }

int record(const Request& request) {
  const auto interval = parse_interval(request.interval, std::chrono::milliseconds(10));
  const bool is_bounded = !request.duration.empty();
  const auto duration = !is_bounded
                            ? std::chrono::milliseconds(0)
                            : parse_interval(request.duration, std::chrono::milliseconds(1));
  LiveSource source(request.processes);
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(request.output.c_str(), "we"), fclose);
  if (file == nullptr) throw Failure("record: " + request.output + ": " + strerror(errno));
  struct sigaction action {};
  action.sa_handler = end_recording;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  RecordingWriter writer;
  const auto start = std::chrono::steady_clock::now();
  size_t samples = 0;
  for (;; ++samples) {
    Sample sample;
    if (!source.next(sample)) break;  // All that were named have ended.
    Text out;
    writer.write(out, sample);
    out.push_back('\n');
    if (fwrite(out.data(), 1, out.size(), file.get()) != out.size() || fflush(file.get()) != 0)
      throw Failure("record: " + request.output + ": " + strerror(errno));
    const auto spent = std::chrono::steady_clock::now() - start;
    if (is_ended != 0 || (is_bounded && spent >= duration)) {
      ++samples;
      break;
    }
    const auto ms = interval.count();
    const timespec pause{ms / 1000, (ms % 1000) * 1'000'000};
    nanosleep(&pause, nullptr);  // A signal ends it early.
    if (is_ended != 0) {
      ++samples;
      break;
    }
  }
  fmt::print(stderr, "tenure: {} samples in {}\n", samples, request.output);
  return 0;
}

}  // namespace

void add_record(CLI::App& app, Action& action) {
  Command command(
      app, "record", "Record figures, to be shown by 'tenure top --replay'",
      "  tenure record 4711 -o night.tenure\n"
      "  tenure record -o all.tenure --interval 100ms --for 1m\n"
      "  tenure top --replay night.tenure\n"
      "\n"
      "Without PID: all processes. Ends with the processes, after the time given, or at "
      "Ctrl-C. The file has a line\n"
      "of JSON for each sample.");
  static Request request;
  command.processes(request.processes);
  command.required_option("-o,--output", request.output, "FILE", "The file");
  command.option("--interval", request.interval, "TIME", "Time between samples (default 1s)");
  command.option("--for", request.duration, "TIME", "End after so long");
  command.runs(action, [] { return record(request); });
}

}  // namespace tenure::tool
