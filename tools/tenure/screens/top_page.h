// The page that `tenure top` shows, as lines of styled text.
#pragma once

#include <string>
#include <vector>

#include "tools/tenure/screens/top_state.h"

namespace tenure::tool {

enum class Style { kPlain, kTitle, kSelected, kDim, kWarning, kAlarm };

struct Span {
  std::string text;
  Style style = Style::kPlain;
};
using Line = std::vector<Span>;

struct PageSize {
  size_t width, height;
  bool unicode;
};

// A screen: head, rows around the selected one, events, keys; `height` lines. `note` is shown in the head.
std::vector<Line> screen_page(TopState& state, const PageSize& size, const std::string& note);
// All rows, without keys, for --once: every line ends where its text ends.
std::string plain_page(TopState& state, const PageSize& size);

}  // namespace tenure::tool
