// How a command ends that cannot do what it is told. docs/man/tenure.1 lists the exit statuses.
#pragma once

#include <stdexcept>
#include <string>

namespace tenure::tool {

constexpr int kExitFindings = 1;    // doctor: there is something to remedy.
constexpr int kExitNotThere = 2;    // No such process, not under Tenure, no such tenant.
constexpr int kExitNotAllowed = 3;  // Another user's.
constexpr int kExitUnreadable = 4;  // A region that is damaged, foreign, or of another version.
constexpr int kExitRefused = 5;     // The target refused, or gave no answer in time.
// As env(1): our own failure or a bad command line, a program that cannot be started, a program that is not there.
constexpr int kExitFailure = 125;
constexpr int kExitCannotRun = 126;
constexpr int kExitNotFound = 127;

// Ends the tool with its text, one line, on standard error.
struct Failure : std::runtime_error {
  explicit Failure(const std::string& text, int exit_status = kExitFailure)
      : std::runtime_error(text), status(exit_status) {}
  int status;
};

}  // namespace tenure::tool
