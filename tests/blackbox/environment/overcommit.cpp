// vm.overcommit_memory=2: mappings with write access count in full when they are made. This is a setting
// of the whole machine; it is changed only where it may be, for as long as one child runs, and a guard
// process restores it should the test itself be killed.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/blackbox/environment/scenarios.h"
#include "tests/blackbox/environment/workload.h"
#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/memory.h"

namespace blackbox {

namespace {

constexpr const char* kSetting = "/proc/sys/vm/overcommit_memory";

bool write_setting(char value) {
  int file = open(kSetting, O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  bool written = write(file, &value, 1) == 1;
  close(file);
  return written;
}

char read_setting() {
  char value = 0;
  int file = open(kSetting, O_RDONLY | O_CLOEXEC);
  if (file < 0 || read(file, &value, 1) != 1) value = 0;
  close(file);
  return value;
}

// Restores the setting when the pipe closes, which it does however this process ends.
class Guard {
public:
  explicit Guard(char value) : value_(value) {
    REQUIRE(pipe2(pipe_, O_CLOEXEC) == 0, "%s", strerror(errno));
    guard_ = fork();
    REQUIRE(guard_ >= 0, "fork: %s", strerror(errno));
    if (guard_ == 0) {
      setsid();  // out of reach of signals to the test's group
      close(pipe_[1]);
      char byte;
      while (read(pipe_[0], &byte, 1) < 0 && errno == EINTR) {
      }
      _exit(write_setting(value) ? 0 : 1);
    }
    close(pipe_[0]);
  }
  ~Guard() {
    close(pipe_[1]);
    int status = 0;
    waitpid(guard_, &status, 0);
    if (read_setting() != value_) write_setting(value_);
  }

private:
  char value_;
  int pipe_[2];
  pid_t guard_;
};

}  // namespace

void overcommit_child(const Words&) {
  size_t committed = proc_field("/proc/meminfo", "Committed_AS:");
  WorkloadOptions options;
  options.memory_is_limited = true;
  run_workload(options);
  size_t bytes = exhaust(100000, size_t(64) << 20);
  REQUIRE(bytes >= (size_t(64) << 20), "only %zu KiB", bytes >> 10);
  run_workload(options);
  // Reserving is not committing.
  size_t growth = proc_field("/proc/meminfo", "Committed_AS:") - committed;
  REQUIRE(growth < (size_t(1) << 30) || growth > ~size_t(0) / 2, "%zu MiB committed", growth >> 20);
}

int run_overcommit() {
  char before = read_setting();
  if (before == 0 || geteuid() != 0 || access(kSetting, W_OK) != 0) return kSkipped;
  // Where the machine is already beyond what mode 2 allows nothing would start.
  if (proc_field("/proc/meminfo", "CommitLimit:") <
      proc_field("/proc/meminfo", "Committed_AS:") + (size_t(1) << 30))
    return kSkipped;
  ChildResult result;
  {
    Guard guard(before);
    if (!write_setting('2')) return kSkipped;
    result = run_self({"child", "overcommit"});
  }
  REQUIRE(read_setting() == before, "the setting is %c, was %c", read_setting(), before);
  REQUIRE(result.exited(0), "vm.overcommit_memory=2: %s", result.describe().c_str());
  return 0;
}

}  // namespace blackbox
