#include "tools/tenure/model/path_glob.h"

#include <fnmatch.h>

#include <vector>

namespace tenure::tool {
namespace {

std::vector<std::string> names_of(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const size_t end = path.find('/');
    if (end != 0) names.emplace_back(path.substr(0, end));
    path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
  }
  return names;
}

// Row by row as in a table of [pattern][path], so that "**/**/**/x" takes no exponential time.
bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  std::vector<bool> row(path.size() + 1);  // Whether the pattern so far matches the first i names.
  row[0] = true;
  for (const std::string& name : pattern) {
    std::vector<bool> next(path.size() + 1);
    if (name == "**") {
      next[0] = row[0];
      for (size_t i = 1; i <= path.size(); ++i) next[i] = row[i] || next[i - 1];
    } else {
      for (size_t i = 1; i <= path.size(); ++i)
        next[i] = row[i - 1] && fnmatch(name.c_str(), path[i - 1].c_str(), 0) == 0;
    }
    row = std::move(next);
  }
  return row.back();
}

}  // namespace

bool matches(std::string_view pattern, std::string_view path) {
  return matches(names_of(pattern), names_of(path));
}

bool is_pattern(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

std::string normal_path(std::string_view path) {
  std::string normal;
  for (const std::string& name : names_of(path)) normal += "/" + name;
  return normal.empty() ? "/" : normal;
}

}  // namespace tenure::tool
