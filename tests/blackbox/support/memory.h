#pragma once

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

namespace blackbox {

// A field of a /proc file ("Rss:", "VmRSS:") in bytes, 0 where it cannot be read. Without malloc, so
// that measuring does not change what is measured.
inline size_t proc_field(const char* path, const char* field) {
  char text[8192];
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return 0;
  text[length] = 0;
  const char* found = strstr(text, field);
  return found == nullptr ? 0 : strtoull(found + strlen(field), nullptr, 10) * 1024;
}

// Resident memory without the pages of files: the code that a test happens to run is not the heap's.
// smaps_rollup counts page by page; the counters behind statm and status may lag by some hundred KiB.
inline size_t anonymous_bytes() { return proc_field("/proc/self/smaps_rollup", "Anonymous:"); }

inline size_t resident_bytes_of(pid_t process) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/status", int(process));
  return proc_field(path, "VmRSS:");
}

}  // namespace blackbox
