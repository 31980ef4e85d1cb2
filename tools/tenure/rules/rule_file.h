// Rule files: TOML, checked and compiled (rules/matching/table.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rules/matching/table.h"

namespace tenure::tool {

// One thing wrong, and what would be right.
struct Problem {
  uint32_t line, column;
  std::string text;
};

struct CompiledRules {
  std::vector<Problem> problems;  // None: the image is good.
  std::vector<uint64_t> image;    // Words, for its alignment.
  std::vector<uint32_t> lines;    // Where each rule begins.
};

// Throws Failure where the file cannot be read.
CompiledRules compile_rules(const std::string& file);
// The same; throws Failure with the first problem.
CompiledRules compile_good_rules(const std::string& file);

// "<file>:<line>:<column>: <text>"
std::string to_text(const std::string& file, const Problem& problem);

}  // namespace tenure::tool
