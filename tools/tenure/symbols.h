// Names of functions, from the symbol tables of the files that a profile names.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/tenure/profile_snapshot.h"

namespace tenure::tool {

class Symbols {
public:
  explicit Symbols(const Profile& profile) : profile_(profile) {}

  // The function at an address, demangled; "libx.so+0x123" where it has no name, or the file is another by now; "0x123" where nothing
  // is known.
  const std::string& name(uint64_t address);
  // The names of a row's calls, the outermost first, without those inside the allocator.
  std::vector<std::string> calls(const ProfileRow& row);

private:
  struct Symbol {
    uint64_t start, size;
    std::string name;
  };
  struct Segment {
    uint64_t offset, address, size;
  };
  struct File {
    std::vector<Segment> segments;
    std::vector<Symbol> symbols;  // By address.
  };
  static bool read_file(const std::string& path, const std::string& build_id, File& file);
  const File& file_of(const ProfileMapping& mapping);
  std::string find(uint64_t address);

  const Profile& profile_;
  std::map<std::string, File> files_;
  std::map<uint64_t, std::string> names_;
};

// Whether a function of this name is the allocator's own: malloc and its family, operator new, what they call.
bool is_allocator(const std::string& name);

}  // namespace tenure::tool
