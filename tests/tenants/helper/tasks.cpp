#include "tests/tenants/helper/tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "tests/blackbox/support/check.h"

namespace blackbox {
namespace {

struct Entry {  // As getdents64 writes it.
  uint64_t inode;
  int64_t offset;
  unsigned short length;
  unsigned char type;
  char name[];
};

void add_task(const char* name, Tasks& tasks) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/self/task/%s/status", name);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;  // It has ended.
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return;
  text[length] = '\0';
  ++tasks.all;
  if (strncmp(text, "Name:\ttenure-helper\n", 20) != 0) return;
  ++tasks.helpers;
  const char* const blocked = strstr(text, "SigBlk:\t");
  REQUIRE(blocked != nullptr, "%s", text);
  tasks.blocked = strtoull(blocked + 8, nullptr, 16);
}

}  // namespace

Tasks count_tasks() {
  Tasks tasks;
  const int folder = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  REQUIRE(folder >= 0, "/proc/self/task: %s", strerror(errno));
  alignas(Entry) char buffer[4096];
  long length;
  while ((length = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0) {
    for (long at = 0; at < length;) {
      const auto* entry = reinterpret_cast<const Entry*>(buffer + at);
      if (entry->name[0] != '.') add_task(entry->name, tasks);
      at += entry->length;
    }
  }
  close(folder);
  return tasks;
}

}  // namespace blackbox
