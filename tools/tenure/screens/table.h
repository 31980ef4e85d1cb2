// A table of text with columns as wide as what they hold.
#pragma once

#include <string>
#include <vector>

namespace tenure::tool {

class Table {
public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kRight;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // As many cells as there are columns.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // Heading and rows, each with a newline. Without rows the heading alone.
  std::string text() const;

private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// How many columns of a terminal the text takes, as UTF-8 without wide characters.
size_t width_of(const std::string& text);
// The text cut to `width` columns, or filled with blanks behind it.
std::string fitted(const std::string& text, size_t width);

}  // namespace tenure::tool
