// Samples of processes that run now.
#pragma once

#include <string>
#include <vector>

#include "tools/tenure/model/source.h"
#include "tools/tenure/reader/locate.h"

namespace tenure::tool {

class LiveSource : public Source {
public:
  // No processes: all that there are at each sample. Those that are named must be there: throws a Failure otherwise.
  explicit LiveSource(const std::vector<std::string>& processes);
  // False when all that were named have ended.
  bool next(Sample& sample) override;

private:
  const bool all_;
  std::vector<Located> located_;
};

}  // namespace tenure::tool
