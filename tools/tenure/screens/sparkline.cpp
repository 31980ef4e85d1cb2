#include "tools/tenure/screens/sparkline.h"

#include <algorithm>

namespace tenure::tool {

std::string sparkline(const std::deque<uint64_t>& values, uint64_t top, size_t width,
                      bool unicode) {
  static const char* const kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static const char* const kLetters[] = {"_", ".", "-", "~", "=", "+", "*", "#"};
  constexpr size_t kSteps = 8;
  const size_t count = std::min(width, values.size());
  const auto first = values.end() - static_cast<int64_t>(count);
  if (top == 0 && count != 0) top = *std::max_element(first, values.end());
  std::string line(width - count, ' ');
  for (auto value = first; value != values.end(); ++value) {
    const double share = top == 0 ? 0 : static_cast<double>(*value) / static_cast<double>(top);
    const auto step = std::min(kSteps - 1, static_cast<size_t>(std::max(0.0, share) * kSteps));
    line += (unicode ? kBlocks : kLetters)[step];
  }
  return line;
}

}  // namespace tenure::tool
