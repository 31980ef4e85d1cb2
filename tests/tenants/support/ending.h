#pragma once

#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/blackbox/support/check.h"

namespace blackbox {

struct Ending {
  int status = 0;
  std::string err;

  bool signalled(int signal) const { return WIFSIGNALED(status) && WTERMSIG(status) == signal; }
};

// How a forked child ends that does this, and what it writes to standard error. A child that
// survives exits with 0.
template <typename Function>
Ending ending_of(Function function) {
  int err[2];
  REQUIRE(pipe(err) == 0, "pipe: %s", strerror(errno));
  const pid_t child = fork();
  REQUIRE(child >= 0, "fork: %s", strerror(errno));
  if (child == 0) {
    dup2(err[1], STDERR_FILENO);
    alarm(30);
    function();
    _exit(0);
  }
  close(err[1]);
  Ending ending;
  char text[512];
  for (ssize_t length = 0; (length = read(err[0], text, sizeof text)) > 0;)
    ending.err.append(text, size_t(length));
  close(err[0]);
  REQUIRE(waitpid(child, &ending.status, 0) == child, "waitpid: %s", strerror(errno));
  return ending;
}

}  // namespace blackbox
