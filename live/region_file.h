// The file of the live region: its folder and its name, and the checks that only its user can change it. docs/live.md
//
// Bare system calls: no function here allocates, and a cancelled thread goes on.
#pragma once

#include <cstdint>

#include "base/options/settings.h"

namespace tenure::live {

class RegionFile {
public:
  constexpr RegionFile() = default;

  // Chooses the folder by the settings and the environment, at the start. False: no region is requested.
  bool choose_folder(LiveMode mode);
  // Makes a locked file of `bytes` bytes, whose name no reader looks for yet. Returns its descriptor, or a negative errno. After a fork:
  // makes the child's file and forgets the parent's.
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

  // Only the thread that opens a region uses these fields.
  char folder_[kLongestPath + 16] = {};
  char path_[kLongestPath + 64] = {};
  uint32_t pid_ = 0;
  unsigned number_ = 0;  // Of the new file's name.
  uint64_t inode_ = 0;
};

}  // namespace tenure::live
