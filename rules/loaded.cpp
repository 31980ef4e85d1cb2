#include "rules/loaded.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory/os_memory.h"
#include "base/system/fence.h"
#include "base/system/system_calls.h"
#include "rules/matching/facts.h"
#include "rules/matching/messages.h"
#include "rules/matching/path_template.h"

namespace tenure::rules {

constinit std::atomic<uint32_t> active{0};

namespace {

constinit const Share* share = nullptr;  // Constant once found.
constinit std::atomic<int> descriptor{-1};
constinit std::atomic<uint32_t> loaded_generation{0};
// Protected by rules_mutex.
constinit View view;
constinit char* copy = nullptr;

const Share* map_share(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size != static_cast<off_t>(kShareBytes))
    return nullptr;
  const auto* const found = static_cast<const Share*>(os::map_file(fd, kShareBytes));
  if (found == nullptr) return nullptr;
  if (memcmp(found->magic, kMagic, sizeof kMagic) == 0 && found->image_bytes == kImageBytes)
    return found;
  os::release(const_cast<Share*>(found), kShareBytes);
  return nullptr;
}

// Opens the file from the process that the variable names, which has the file as long as it lives. For a process that got the variable but
// not the descriptor.
int open_from(long process, int number) {
  char path[64];
  LineBuffer line;
  line.text("/proc/")
      .decimal(static_cast<uint64_t>(process))
      .text("/fd/")
      .decimal(static_cast<uint64_t>(number));
  memcpy(path, line.data(), line.size());
  path[line.size()] = '\0';
  const int fd = sys::open_for_reading(path);
  if (fd < 0) return -1;
  // The descriptor gets the same number, so that programs which this one starts find the file there.
  const int placed = fcntl(fd, F_DUPFD, number);
  sys::close(fd);
  if (placed != number && placed >= 0) fcntl(placed, F_SETFD, FD_CLOEXEC);
  return placed;
}

uint32_t activities_of(const View& rules) {
  uint32_t result = kIsOn | rules.kinds;
  for (uint32_t i = 0; i < rules.rule_count; ++i) {
    const RuleRecord& rule = rules.rules[i];
    const char* const path = rules.text(rule.tenant);
    if (rule.library != 0 || rule.symbol != 0 || strstr(path, "{library}") ||
        strstr(path, "{symbol}"))
      result |= kHasCode;
    if (rule.peer_process != 0 || strstr(path, "{peer.exe}")) result |= kHasPeer;
    if (rule.kind == kThreadRule && rule.library != 0 && rule.thread == 0 && rule.symbol == 0 &&
        !needs_thread(path))
      result |= kHasConstructor;
  }
  return result;
}

// Copies the valid image. Returns its generation, or 0. The writer may publish another image meanwhile, and then overwrite this one.
uint32_t copy_image(char* to) {
  for (int tries = 0; tries < 100; ++tries) {
    // Acquire: the image, which the writer has finished before.
    const uint32_t generation = share->generation.load(std::memory_order_acquire);
    if (generation == 0) return 0;
    const char* const image =
        reinterpret_cast<const char*>(share + 1) + (generation & 1) * size_t{kImageBytes};
    Header header;
    memcpy(&header, image, sizeof header);
    // Copies no more than the image: pages that are not written to take no memory.
    if (header.bytes >= sizeof header && header.bytes <= kImageBytes)
      memcpy(to, image, header.bytes);
    // Orders the copy before the second look.
    acquire_fence();
    if (share->generation.load(std::memory_order_relaxed) == generation) return generation;
  }
  return 0;
}

}  // namespace

bool find_share() {
  const char* const given = secure_getenv("TENURE_RULES");
  if (given == nullptr || *given == '\0') return false;
  char* end = nullptr;
  const long number = strtol(given, &end, 10);
  const long process = *end == ':' ? strtol(end + 1, &end, 10) : 0;
  if (*end == '\0' && number >= 0 && number <= INT32_MAX) {
    int fd = static_cast<int>(number);
    share = map_share(fd);
    if (share == nullptr && process > 0) {
      fd = open_from(process, fd);
      share = fd < 0 ? nullptr : map_share(fd);
      if (share == nullptr && fd >= 0) sys::close(fd);
    }
    if (share != nullptr) {
      descriptor.store(fd, std::memory_order_relaxed);
      return true;
    }
  }
  say("TENURE_RULES=", given, ": no rules are there");
  return false;
}

int share_descriptor() { return descriptor.load(std::memory_order_relaxed); }
void forget_share_descriptor() { descriptor.store(-1, std::memory_order_relaxed); }

bool load_rules() {
  if (share == nullptr) return false;
  auto* const fresh = static_cast<char*>(os::reserve(kImageBytes, 4096));
  if (fresh == nullptr) return false;
  const uint32_t generation = os::commit(fresh, kImageBytes) ? copy_image(fresh) : 0;
  View found;
  if (generation == 0 || !view_of(fresh, kImageBytes, found)) {
    os::release(fresh, kImageBytes);
    // Once for each generation.
    loaded_generation.store(share->generation.load(std::memory_order_relaxed),
                            std::memory_order_relaxed);
    if (generation != 0) say("the compiled rules are damaged: the rules before stay in force");
    return false;
  }
  if (copy != nullptr) os::release(copy, kImageBytes);
  copy = fresh;
  view = found;
  loaded_generation.store(generation, std::memory_order_relaxed);
  active.store(activities_of(view), std::memory_order_relaxed);
  return true;
}

bool are_outdated() {
  return share != nullptr && share->generation.load(std::memory_order_relaxed) !=
                                 loaded_generation.load(std::memory_order_relaxed);
}

const View& current_view() { return view; }

}  // namespace tenure::rules
