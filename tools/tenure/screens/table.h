// A table of text with columns as wide as what they hold.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenure::tool {

class Table {
public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kRight;
  };

  explicit Table(std::vector<Column> columns);
  // As many cells as there are columns.
  void add(const std::vector<std::string>& cells);
  // Heading and rows, each with a newline. Without rows the heading alone.
  std::string text() const;

private:
  std::vector<Column> columns_;
  std::vector<size_t> widths_;
  // The text of all cells, one behind the other, and where each ends: a table may have 100,000 rows.
  std::string cells_;
  std::vector<uint32_t> ends_;
};

// How many columns of a terminal the text takes, as UTF-8 without wide characters.
size_t width_of(std::string_view text);
// The text cut to `width` columns, or filled with blanks behind it.
std::string fitted(const std::string& text, size_t width);

}  // namespace tenure::tool
