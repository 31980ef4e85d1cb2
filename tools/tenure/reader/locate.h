// Where the live regions of processes are, in folders and through /proc.
#pragma once

#include <string>
#include <vector>

#include "tools/tenure/reader/region.h"

namespace tenure::tool {

// A region with its process; without, where that has ended.
struct Located {
  Region region;
  std::optional<ProcFacts> process;
};

struct Found {
  std::vector<Located> living;
  std::vector<Located> ended;
  std::vector<std::string> faults;  // One line for each file that is there and cannot be read.
};

// All regions that this user may read: those in the usual folders, and those that processes elsewhere have mapped, as in
// containers.
Found find_all();
// The region of one process. Throws a Failure that says what is wrong: no such process, not under Tenure, another user's, unreadable.
// A file that the process left when it ended is found, too.
Located find_process(int pid, Region::Access access = Region::Access::kRead);
// `text` is a process's number, or the name of the only process under Tenure that is called so.
Located find_process(const std::string& text, Region::Access access = Region::Access::kRead);

}  // namespace tenure::tool
