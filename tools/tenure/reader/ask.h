// Requests to a process, for commands that need an answer (docs/live.md, "Requests").
#pragma once

#include <chrono>
#include <string>

#include "tools/tenure/reader/control.h"
#include "tools/tenure/reader/locate.h"

namespace tenure::tool {

struct Question {
  live::RequestKind kind;
  size_t tenant = 0;  // Index in Process::tenants.
  uint64_t argument = 0;
};

// One line for a process that gave no answer in time.
std::string silence_of(const Process& process, std::chrono::milliseconds patience);
// The region of a living process, opened for requests. Throws a Failure.
Located find_living(const std::string& process);
// The answer, whose result is 0, with its file where the kind has one. Throws a Failure of one line, with kExitRefused where the process gives
// no answer in time, or refuses.
Answer ask_process(const Located& located, const Process& process, const Question& question,
                   std::chrono::milliseconds patience);

}  // namespace tenure::tool
