#include "tools/tenure/screens/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/tenure/model/failure.h"

// Last: a header of many macros.
#define NCURSES_NOMACROS 1
#include <curses.h>

namespace tenure::tool {
namespace {

// Numbers of colour pairs.
constexpr short kYellow = 1, kRed = 2;

attr_t attributes_of(Style style) {
  const bool colours = has_colors();
  switch (style) {
  case Style::kTitle:
    return A_REVERSE | A_BOLD;
  case Style::kSelected:
    return A_REVERSE;
  case Style::kDim:
    return A_DIM;
  case Style::kWarning:
    return A_BOLD | (colours ? static_cast<attr_t>(COLOR_PAIR(kYellow)) : A_UNDERLINE);
  case Style::kAlarm:
    return A_BOLD | (colours ? static_cast<attr_t>(COLOR_PAIR(kRed)) : A_STANDOUT);
  default:
    return A_NORMAL;
  }
}

int translated(int key) {
  switch (key) {
  case ERR:
    return kKeyNone;
  case KEY_UP:
    return kKeyUp;
  case KEY_DOWN:
    return kKeyDown;
  case KEY_LEFT:
    return kKeyLeft;
  case KEY_RIGHT:
    return kKeyRight;
  case KEY_PPAGE:
    return kKeyPageUp;
  case KEY_NPAGE:
    return kKeyPageDown;
  case KEY_HOME:
    return kKeyHome;
  case KEY_END:
    return kKeyEnd;
  case KEY_ENTER:
  case '\n':
  case '\r':
    return kKeyEnter;
  case 27:
    return kKeyEscape;
  case KEY_BACKSPACE:
  case 127:
  case 8:
    return kKeyErase;
  case KEY_RESIZE:
    return kKeyResize;
  default:
    return key < 0x100 ? key : kKeyNone;
  }
}

}  // namespace

bool is_utf8_locale() {
  setlocale(LC_CTYPE, "");
  return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

Terminal::Terminal() {
  if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0)
    throw Failure("top: this is no terminal; --once prints plain text");
  is_utf8_locale();
  set_escdelay(25);  // Else a key Esc takes a second.
  screen_ = newterm(nullptr, stdout, stdin);
  if (screen_ == nullptr) {
    const char* const name = getenv("TERM");
    throw Failure(std::string("top: the terminal '") + (name != nullptr ? name : "") +
                  "' is not known here; set TERM, or use --once");
  }
  cbreak();
  noecho();
  nonl();
  keypad(stdscr, TRUE);
  curs_set(0);
  if (has_colors()) {
    start_color();
    use_default_colors();
    init_pair(kYellow, COLOR_YELLOW, -1);
    init_pair(kRed, COLOR_RED, -1);
  }
}

Terminal::~Terminal() {
  endwin();
  delscreen(static_cast<SCREEN*>(screen_));
}

PageSize Terminal::size() const {
  return {static_cast<size_t>(COLS), static_cast<size_t>(LINES), is_utf8_locale()};
}

void Terminal::show(const std::vector<Line>& page) {
  erase();
  for (int i = 0; i < static_cast<int>(page.size()) && i < LINES; ++i) {
    ::move(i, 0);
    for (const Span& span : page[static_cast<size_t>(i)]) {
      attrset(static_cast<int>(attributes_of(span.style)));
      addstr(span.text.c_str());
    }
  }
  refresh();
}

int Terminal::wait_for_key(std::chrono::milliseconds patience) {
  timeout(static_cast<int>(patience.count()));
  return translated(getch());
}

}  // namespace tenure::tool
