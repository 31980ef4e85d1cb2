#include "tools/tenure/screens/table.h"

#include <algorithm>

namespace tenure::tool {
namespace {

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

void append_row(std::string& out, const std::vector<Table::Column>& columns,
                const std::vector<std::string>& cells, const std::vector<size_t>& widths) {
  const size_t start = out.size();
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i != 0) out += "  ";
    const size_t blanks = widths[i] - std::min(widths[i], width_of(cells[i]));
    if (columns[i].align == Table::Align::kRight) out.append(blanks, ' ');
    out += cells[i];
    if (columns[i].align == Table::Align::kLeft) out.append(blanks, ' ');
  }
  // No blanks at the end of a line.
  const size_t last = out.find_last_not_of(' ');
  out.resize(std::max(start, last == std::string::npos ? 0 : last + 1));
  out += '\n';
}

}  // namespace

size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string fitted(const std::string& text, size_t width) {
  size_t columns = 0, end = 0;
  for (; end < text.size(); ++end) {
    if (begins_character(text[end]) && columns++ == width) break;
  }
  std::string result = text.substr(0, end);
  result.append(width - std::min(width, width_of(result)), ' ');
  return result;
}

std::string Table::text() const {
  std::vector<size_t> widths;
  std::vector<std::string> titles;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = width_of(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, width_of(row[i]));
    widths.push_back(width);
    titles.push_back(columns_[i].title);
  }
  std::string out;
  append_row(out, columns_, titles, widths);
  for (const auto& row : rows_) append_row(out, columns_, row, widths);
  return out;
}

}  // namespace tenure::tool
