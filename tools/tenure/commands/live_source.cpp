#include "tools/tenure/commands/live_source.h"

#include "tools/tenure/commands/common.h"

namespace tenure::tool {

LiveSource::LiveSource(const std::vector<std::string>& processes) : all_(processes.empty()) {
  for (const std::string& process : processes) {
    located_.push_back(find_process(process));
    if (!located_.back().process) throw Failure("process " + process + " has ended", kExitNotThere);
  }
}

bool LiveSource::next(Sample& sample) {
  if (all_) {
    sample = read_all();
    return true;
  }
  sample = {};
  sample.time_ns = realtime_ns();
  std::erase_if(located_, [](const Located& located) { return !located.region.is_held(); });
  for (Located& located : located_) {
    try {
      Process process = sample_process(located);
      if (!process.ended) sample.processes.push_back(std::move(process));
    } catch (const Failure&) {
      continue;  // Unreadable for the moment, or for good: then it is not held any more, soon.
    }
  }
  return !located_.empty();
}

}  // namespace tenure::tool
