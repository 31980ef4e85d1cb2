// Where the bytes are that a tenant is charged for.
#pragma once

#include <string>
#include <vector>

#include "tools/tenure/model/heap_share.h"
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

// `share`: the tenant's part of the heap, or nullptr where the process gave no answer.
Explanation explain_tenant(const Process& process, size_t index, const HeapShare* share);

}  // namespace tenure::tool
