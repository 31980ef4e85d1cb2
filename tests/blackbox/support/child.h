#pragma once

#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace blackbox {

struct ChildResult {
  int status = 0;  // as waitpid gives it
  bool timed_out = false;
  std::string out;
  std::string err;

  bool exited(int code) const;
  bool signalled(int signal) const;
  std::string describe() const;
};

struct ChildOptions {
  double timeout_seconds = 240;
  std::vector<std::string> environment = {};   // NAME=value, added to the inherited ones
  std::function<void()> prepare = nullptr;     // in the child, before exec: limits, filters
  std::function<void(pid_t)> watch = nullptr;  // in the parent, about every 5 ms
};

// Runs a program to its end and collects what it writes. The child is killed at its timeout.
ChildResult run_program(const std::vector<std::string>& command, const ChildOptions& options = {});
// The same for this very program with other arguments.
ChildResult run_self(const std::vector<std::string>& arguments, const ChildOptions& options = {});
// The same, which must exit with 0: says what it wrote, or fails the test.
ChildResult require_run(const char* argument, const ChildOptions& options = {});

// Waits for a child made by fork(); fails the test unless it exits with 0 within the time.
void require_child_success(pid_t child, double timeout_seconds, const char* what);

}  // namespace blackbox
