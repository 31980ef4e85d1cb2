#include "tools/tenure/profile/live_profile.h"

#include <signal.h>
#include <time.h>

#include "tools/tenure/commands/common.h"
#include "tools/tenure/reader/ask.h"

namespace tenure::tool {
namespace {

constexpr std::chrono::seconds kUsualWait{10};

Answer ask(const ProfiledProcess& which, live::RequestKind kind, uint64_t argument) {
  Located located = find_living(which.process);
  const Process process = read_process(located);
  return ask_process(located, process, {kind, 0, argument}, which.patience);
}

void do_nothing(int) {}

// Until the time is over, or SIGINT or SIGTERM comes, which then does not end the command.
class Wait {
public:
  Wait() {
    struct sigaction action = {};
    action.sa_handler = do_nothing;
    sigaction(SIGINT, &action, &before_[0]);
    sigaction(SIGTERM, &action, &before_[1]);
  }
  ~Wait() {
    sigaction(SIGINT, &before_[0], nullptr);
    sigaction(SIGTERM, &before_[1], nullptr);
  }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  static void sleep(std::chrono::milliseconds time) {
    const timespec rest{time.count() / 1000, time.count() % 1000 * 1000000};
    nanosleep(&rest, nullptr);
  }

private:
  struct sigaction before_[2];
};

}  // namespace

uint64_t start_profile_of(const ProfiledProcess& which, uint64_t mean) {
  return ask(which, live::RequestKind::kProfileStart, mean).value;
}

uint64_t stop_profile_of(const ProfiledProcess& which) {
  return ask(which, live::RequestKind::kProfileStop, 0).value;
}

Snapshot snapshot_of(const ProfiledProcess& which) {
  return parse_snapshot(ask(which, live::RequestKind::kProfile, 0).file,
                        "the profile of process " + which.process);
}

Snapshot profile_for(const ProfiledProcess& which, uint64_t mean, std::chrono::milliseconds wait) {
  const Wait interrupted;
  const uint64_t before = start_profile_of(which, mean);
  if (wait.count() == 0 && before == 0) wait = kUsualWait;
  if (wait.count() != 0) Wait::sleep(wait);
  Snapshot snapshot;
  try {
    snapshot = snapshot_of(which);
  } catch (...) {
    if (before == 0) stop_profile_of(which);
    throw;
  }
  if (before == 0) stop_profile_of(which);
  return snapshot;
}

}  // namespace tenure::tool
