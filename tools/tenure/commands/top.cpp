// tenure top.
#include <fmt/core.h>
#include <stdlib.h>
#include <time.h>

#include <chrono>
#include <memory>

#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"
#include "tools/tenure/commands/live_source.h"
#include "tools/tenure/model/order.h"
#include "tools/tenure/model/recording.h"
#include "tools/tenure/screens/terminal.h"

namespace tenure::tool {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Request {
  std::vector<std::string> processes;
  std::string sort = "usage", interval = "1s", replay;
  double speed = 1;
  bool once = false;
};

// Of a recording: until the next sample is due, as it was taken. Of live processes: the interval.
class Pace {
public:
  Pace(const Request& request, milliseconds interval) : request_(request), interval_(interval) {}

  milliseconds after(const Sample& before, const Sample& now) const {
    if (request_.replay.empty()) return interval_;
    const double apart = static_cast<double>(now.time_ns - before.time_ns) / 1e6 / request_.speed;
    return milliseconds(static_cast<int64_t>(std::min(std::max(apart, 1.0), 10'000.0)));
  }

private:
  const Request& request_;
  const milliseconds interval_;
};

void pause_for(milliseconds time) {
  const timespec pause{time.count() / 1000, (time.count() % 1000) * 1'000'000};
  nanosleep(&pause, nullptr);
}

// Two samples, for the rates between them; of a recording the last ones.
int show_once(const Request& request, Source& source, milliseconds interval) {
  TopState state(request.sort);
  Sample sample;
  if (!source.next(sample)) throw Failure("top: the recording is empty", kExitUnreadable);
  state.update(std::move(sample));
  if (!request.replay.empty()) {
    while (source.next(sample)) state.update(std::move(sample));
  } else {
    pause_for(interval);
    if (source.next(sample)) state.update(std::move(sample));
  }
  state.unfold_all();
  const char* const columns = getenv("COLUMNS");
  const size_t width = columns != nullptr ? strtoul(columns, nullptr, 10) : 0;
  print(plain_page(state, {width >= 40 && width <= 1000 ? width : 120, 0, is_utf8_locale()}));
  return 0;
}

int show_screen(const Request& request, Source& source, milliseconds interval) {
  TopState state(request.sort);
  Sample sample, next;
  if (!source.next(sample)) throw Failure("top: the recording is empty", kExitUnreadable);
  const Pace pace(request, interval);
  Terminal terminal;
  state.update(sample);
  bool goes_on = source.next(next);
  Clock::time_point due = Clock::now() + pace.after(sample, next);
  for (;;) {
    const std::string note = goes_on                  ? request.replay
                             : request.replay.empty() ? "the processes have ended"
                                                      : "end of the recording";
    terminal.show(screen_page(state, terminal.size(), note));
    const auto patience = std::chrono::duration_cast<milliseconds>(due - Clock::now());
    const int key =
        terminal.wait_for_key(goes_on ? std::max(patience, milliseconds(0)) : milliseconds(1000));
    if (!state.press(key)) return 0;
    if (!goes_on || Clock::now() < due) continue;
    if (state.is_paused() && !request.replay.empty()) {
      due = Clock::now() + milliseconds(100);  // A recording stands still.
      continue;
    }
    // A live sample is of now, a recorded one was looked at ahead, for its time.
    if (request.replay.empty()) {
      goes_on = source.next(sample);
      if (goes_on) state.update(std::move(sample));
      due = Clock::now() + interval;
      continue;
    }
    state.update(next);
    sample = std::move(next);
    goes_on = source.next(next);
    due = Clock::now() + pace.after(sample, next);
  }
}

int show_top(const Request& request) {
  const milliseconds interval = parse_interval(request.interval, milliseconds(50));
  if (!(request.speed > 0 && request.speed <= 1000))
    throw Failure("top: --speed is a factor above 0, at most 1000");
  if (!request.replay.empty() && !request.processes.empty())
    throw Failure("top: --replay shows what was recorded; name no process with it");
  std::unique_ptr<Source> source;
  if (request.replay.empty())
    source = std::make_unique<LiveSource>(request.processes);
  else
    source = std::make_unique<RecordingReader>(request.replay);
  return request.once ? show_once(request, *source, interval)
                      : show_screen(request, *source, interval);
}

}  // namespace

void add_top(CLI::App& app, Action& action) {
  Command command(app, "top", "Watch processes and tenants, full screen",
                  "  tenure top\n"
                  "  tenure top redis-server --sort full\n"
                  "  tenure top --once | head -20\n"
                  "  tenure top --replay night.tenure --speed 60\n"
                  "\n"
                  "Keys: arrows move and fold, s sorts, / filters, e shows events, p pauses, ? "
                  "explains, q quits.");
  static Request request;
  command.processes(request.processes);
  command.option("--sort", request.sort, "KEY", "Order: " + words_of_orders() + " (default usage)",
                 is_order);
  command.option("--interval,-d", request.interval, "TIME", "Time between samples (default 1s)");
  command.flag("--once", request.once, "Print one page as plain text");
  command.option("--replay", request.replay, "FILE", "Show a recording of 'tenure record'");
  command.number("--speed", request.speed, "FACTOR", "Replay so many times as fast");
  command.runs(action, [] { return show_top(request); });
}

}  // namespace tenure::tool
