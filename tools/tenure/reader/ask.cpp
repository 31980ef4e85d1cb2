#include "tools/tenure/reader/ask.h"

#include <errno.h>
#include <fmt/core.h>
#include <string.h>

namespace tenure::tool {
namespace {

const char* why_silent(const Process& process) {
  if (process.stopped) return "it is stopped";
  if (process.answers) return "it hangs, or is very busy";
  return "it has no helper thread (TENURE_HELPER=on), and has allocated nothing meanwhile";
}

std::string why_refused(const Process& process, int error) {
  switch (error) {
  case EOPNOTSUPP:
    return fmt::format("its Tenure {} does not know this request", process.version);
  case ESTALE:
    return "the tenant went meanwhile";
  case EAGAIN:
    return "other requests wait for it; it hangs, or is very busy";
  case EPERM:
    return "it may have a filter of system calls (seccomp), and makes no file";
  default:
    return strerror(error);
  }
}

}  // namespace

std::string silence_of(const Process& process, std::chrono::milliseconds patience) {
  return fmt::format("process {} ({}) gave no answer within {} ms: {}", process.pid, process.name,
                     patience.count(), why_silent(process));
}

Located find_living(const std::string& process) {
  Located located = find_process(process, Region::Access::kWrite);
  if (!located.process)
    throw Failure("process " + process + " has ended: nobody is there to serve the request",
                  kExitNotThere);
  return located;
}

Answer ask_process(const Located& located, const Process& process, const Question& question,
                   std::chrono::milliseconds patience) {
  RegionControl control(located.region);
  auto answer =
      control.ask(question.kind, process.tenants[question.tenant], question.argument, patience);
  if (!answer) throw Failure(silence_of(process, patience), kExitRefused);
  if (answer->result != 0)
    throw Failure(fmt::format("process {} ({}) refused: {}", process.pid, process.name,
                              why_refused(process, -answer->result)),
                  answer->result == -ESTALE ? kExitNotThere : kExitRefused);
  return std::move(*answer);
}

}  // namespace tenure::tool
