// The file of the live region: its folder, its name, and that nobody but its user has a hand in it. docs/live.md
//
// Bare system calls: nothing here allocates, and a thread that is cancelled goes on.
#pragma once

#include <cstdint>

#include "base/options/settings.h"

namespace tenure::live {

class RegionFile {
public:
  constexpr RegionFile() = default;

  // Which folder it is, from the settings and the environment. False: none is wanted. At the start.
  bool choose_folder(LiveMode mode);
  // Makes a file that has no name yet that others look for, locked, `bytes` long. Returns its descriptor, or a negative errno. After a fork:
  // the child's, the parent's is forgotten.
  int make(uint64_t bytes);
  // The file is not wanted after all.
  void abandon();
  // Gives the file its name. False: it has none.
  bool publish();
  // Makes the file that answers the request at `place`: empty, for this user alone. Its descriptor, or a negative errno.
  int make_answer(unsigned place) const;
  void remove_answer(unsigned place) const;
  // Takes the names away that the file has, if it is this process's.
  void remove();

  const char* folder() const { return folder_; }
  // The published name, or "".
  const char* path() const { return path_; }

private:
  static constexpr unsigned kNames = 16;
  struct Name {
    char text[32];
  };
  Name name_of(unsigned number, bool published) const;
  Name answer_name(unsigned place) const;
  int open_folder() const;
  int open_new(int folder);

  // All of it belongs to the one thread that opens a region.
  char folder_[kLongestPath + 16] = {};
  char path_[kLongestPath + 64] = {};
  uint32_t pid_ = 0;
  unsigned number_ = 0;  // Of the new file's name.
  uint64_t inode_ = 0;
};

}  // namespace tenure::live
