// Where the bytes are that a tenant is charged for.
#pragma once

#include <string>
#include <vector>

#include "tools/tenure/model/process.h"

namespace tenure::tool {

struct Part {
  std::string name;
  uint64_t bytes;
  std::string remark;
};

struct Explanation {
  std::vector<Part> parts;             // Together: the usage, as far as the last look is of now.
  std::vector<std::string> sentences;  // What is worth knowing, most important first.
};

Explanation explain_tenant(const Process& process, size_t index);

}  // namespace tenure::tool
