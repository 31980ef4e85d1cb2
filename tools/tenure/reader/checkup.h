// What may keep Tenure from working well: on the machine, and in one process.
#pragma once

#include <string>
#include <vector>

namespace tenure::tool {

struct Finding {
  enum class Level { kGood, kNote, kProblem };
  Level level;
  std::string topic;
  std::string text;
  std::string remedy;  // "": none is needed.
};

std::vector<Finding> examine_machine();
// Throws a Failure where there is no such process, or it is another user's.
std::vector<Finding> examine_process(int pid);

}  // namespace tenure::tool
