#pragma once

#include <stdint.h>
#include <string>
#include <vector>

namespace blackbox {

// The code of the module that this program's malloc comes from.
class Text {
public:
  // Instruction boundaries come from the disassembler; without one there are none.
  explicit Text(const std::string& objdump);

  bool contains(uint64_t address) const { return address >= low_ && address < high_; }
  const std::vector<uint64_t>& instructions() const { return instructions_; }
  // "function+0x12 (0x3456)" as far as it is known; the number is what addr2line wants.
  std::string describe(uint64_t address) const;
  const std::string& path() const { return path_; }

private:
  std::string path_;
  uint64_t base_ = 0;
  uint64_t low_ = 0;
  uint64_t high_ = 0;
  std::vector<uint64_t> instructions_;
  std::vector<std::pair<uint64_t, std::string>> functions_;
};

}  // namespace blackbox
