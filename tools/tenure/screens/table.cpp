#include "tools/tenure/screens/table.h"

#include <algorithm>

namespace tenure::tool {
namespace {

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// The cell with the blanks that its column has beside it.
void append_cell(std::string& out, std::string_view cell, size_t width, Table::Align align) {
  const size_t blanks = width - std::min(width, width_of(cell));
  if (align == Table::Align::kRight) out.append(blanks, ' ');
  out += cell;
  if (align == Table::Align::kLeft) out.append(blanks, ' ');
}

// Ends a line, without blanks at its end.
void end_line(std::string& out, size_t start) {
  const size_t last = out.find_last_not_of(' ');
  out.resize(std::max(start, last == std::string::npos ? 0 : last + 1));
  out += '\n';
}

}  // namespace

size_t width_of(std::string_view text) {
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

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (const Column& column : columns_) widths_.push_back(width_of(column.title));
}

void Table::add(const std::vector<std::string>& cells) {
  for (size_t i = 0; i < cells.size(); ++i) {
    widths_[i] = std::max(widths_[i], width_of(cells[i]));
    cells_ += cells[i];
    ends_.push_back(static_cast<uint32_t>(cells_.size()));
  }
}

std::string Table::text() const {
  constexpr char kBetween[] = "  ";
  std::string out;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (i != 0) out += kBetween;
    append_cell(out, columns_[i].title, widths_[i], columns_[i].align);
  }
  end_line(out, 0);
  size_t begin = 0, start = out.size();
  for (size_t cell = 0; cell < ends_.size(); ++cell) {
    const size_t column = cell % columns_.size();
    if (column != 0) out += kBetween;
    append_cell(out, std::string_view(cells_).substr(begin, ends_[cell] - begin), widths_[column],
                columns_[column].align);
    begin = ends_[cell];
    if (column + 1 != columns_.size()) continue;
    end_line(out, start);
    start = out.size();
  }
  return out;
}

}  // namespace tenure::tool
