// The terminal, by ncurses.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "tools/tenure/screens/top_page.h"

namespace tenure::tool {

// Whether the locale's characters are UTF-8.
bool is_utf8_locale();

// The full screen, until it is destroyed. One at a time.
class Terminal {
public:
  // Throws a Failure where standard input or output is no terminal, or TERM is not known.
  Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal();

  PageSize size() const;
  void show(const std::vector<Line>& page);
  // The next key, a Key or a character; kKeyNone after `patience` without one.
  int wait_for_key(std::chrono::milliseconds patience);

private:
  void* screen_;  // SCREEN*
};

}  // namespace tenure::tool
