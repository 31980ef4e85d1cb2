#include "tests/blackbox/support/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/clock.h"

namespace blackbox {

namespace {

// Appends what is there to read; closes the descriptor and sets it to -1 at its end.
void drain(int& descriptor, std::string& text) {
  char buffer[4096];
  for (;;) {
    ssize_t length = read(descriptor, buffer, sizeof buffer);
    if (length > 0) {
      text.append(buffer, size_t(length));
      continue;
    }
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    close(descriptor);
    descriptor = -1;
    return;
  }
}

[[noreturn]] void become(const std::vector<std::string>& command, const ChildOptions& options,
                         int out, int err) {
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  for (const std::string& variable : options.environment)
    putenv(const_cast<char*>(variable.c_str()));
  if (options.prepare) options.prepare();
  execvp(arguments[0], arguments.data());
  fail_at(__FILE__, __LINE__, "execvp", "%s: %s", arguments[0], strerror(errno));
}

}  // namespace

bool ChildResult::exited(int code) const {
  return !timed_out && WIFEXITED(status) && WEXITSTATUS(status) == code;
}

bool ChildResult::signalled(int signal) const {
  return !timed_out && WIFSIGNALED(status) && WTERMSIG(status) == signal;
}

std::string ChildResult::describe() const {
  std::string text = timed_out ? "timed out"
                     : WIFSIGNALED(status)
                         ? std::string("killed by SIG") + sigabbrev_np(WTERMSIG(status))
                         : "exited with " + std::to_string(WEXITSTATUS(status));
  if (!out.empty()) text += "\n--- stdout\n" + out;
  if (!err.empty()) text += "\n--- stderr\n" + err;
  return text;
}

ChildResult run_program(const std::vector<std::string>& command, const ChildOptions& options) {
  int out[2], err[2];
  REQUIRE(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0, "%s", strerror(errno));
  pid_t child = fork();
  REQUIRE(child >= 0, "fork: %s", strerror(errno));
  if (child == 0) become(command, options, out[1], err[1]);
  close(out[1]);
  close(err[1]);
  fcntl(out[0], F_SETFL, O_NONBLOCK);
  fcntl(err[0], F_SETFL, O_NONBLOCK);

  ChildResult result;
  Deadline deadline(options.timeout_seconds);
  bool ended = false;
  while (!ended) {
    if (deadline.passed() && !result.timed_out) {
      result.timed_out = true;
      kill(child, SIGKILL);
    }
    pollfd descriptors[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
    poll(descriptors, 2, 5);
    // Before reading: what the child wrote is in the pipes once it has ended. Its own children may
    // hold the pipes open for longer; nobody waits for them.
    ended = waitpid(child, &result.status, WNOHANG) == child;
    if (out[0] >= 0) drain(out[0], result.out);
    if (err[0] >= 0) drain(err[0], result.err);
    if (!ended && options.watch) options.watch(child);
    if (!ended && out[0] < 0 && err[0] < 0) sleep_seconds(0.001);
  }
  close(out[0]);
  close(err[0]);
  return result;
}

ChildResult run_self(const std::vector<std::string>& arguments, const ChildOptions& options) {
  char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  REQUIRE(length > 0, "readlink: %s", strerror(errno));
  std::vector<std::string> command = {std::string(path, size_t(length))};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run_program(command, options);
}

ChildResult require_run(const char* argument, const ChildOptions& options) {
  ChildResult result = run_self({argument}, options);
  REQUIRE(result.exited(0), "%s: %s", argument, result.describe().c_str());
  dprintf(STDOUT_FILENO, "%s: %s\n", argument, result.out.c_str());
  return result;
}

void require_child_success(pid_t child, double timeout_seconds, const char* what) {
  Deadline deadline(timeout_seconds);
  int status = 0;
  for (unsigned round = 0;; ++round) {
    pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child) break;
    REQUIRE(ended == 0, "waitpid: %s", strerror(errno));
    if (deadline.passed()) {
      kill(child, SIGKILL);
      fail_at(__FILE__, __LINE__, "the child ends", "%s: child %d hangs", what, int(child));
    }
    sleep_seconds(round < 20 ? 0.0002 : 0.002);
  }
  REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: child ended with status %#x", what,
          unsigned(status));
}

}  // namespace blackbox
