// What the kernel says of a process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tenure::tool {

struct ProcFacts {
  int pid = 0;        // Here.
  int inner_pid = 0;  // In its own PID namespace.
  uint32_t uid = 0;   // Effective.
  uint64_t start_ticks = 0;
  char state = '?';       // As in ps(1): R, S, D, T, t, Z
  uint64_t resident = 0;  // Bytes.
  std::string name;       // comm
  std::string
      command;  // Arguments, with blanks between; the name in brackets where there are none.
};

// Nothing where there is no such process, or only what is left of it (a zombie).
std::optional<ProcFacts> look_at_process(int pid);
// All processes' numbers.
std::vector<int> all_processes();
// Inode of /proc/PID/ns/NAME; 0 not known. pid 0: this process.
uint64_t namespace_of(int pid, const char* name);
// /proc/sys/kernel/random/boot_id, without the line's end.
const std::string& boot_id();

// A whole file, at most `most` bytes; "" where it cannot be read.
std::string read_text(const std::string& path, size_t most = 1 << 20);

// Files that are mapped by the process: path as the process sees it, and inode. Anonymous memory and deleted files are left out, but for
// names of regions before they were published (".new-PID"), which the kernel goes on to show.
struct MappedFile {
  std::string path;
  uint64_t inode = 0;
};
std::vector<MappedFile> mapped_files(int pid);

// The text with everything that a terminal would act on, and all that is not UTF-8, replaced by '?'.
std::string printable(const std::string& text);

}  // namespace tenure::tool
