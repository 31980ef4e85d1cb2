// The memory of a cgroup v2: its usage, its limit, and the time that its tasks wait for memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

struct CgroupMemory {
  uint64_t current = 0;         // memory.current
  uint64_t limit = UINT64_MAX;  // The lower of memory.high and memory.max
  uint64_t file =
      0;  // Pages of files, which the kernel drops without help. Read near the limit only.
  uint32_t stalled = 0;  // memory.pressure, some avg10, in hundredths of a percent
};

// The usage at which reclaim begins: before the kernel's reclaim, which throttles above high and kills at max.
constexpr uint64_t cgroup_threshold(const CgroupMemory& memory) {
  return memory.limit - memory.limit / 16;
}
// Memory without the page cache. A cgroup that reads files fills its limit with their pages, and is not short of memory because of them.
constexpr uint64_t cgroup_used(const CgroupMemory& memory) {
  return memory.current > memory.file ? memory.current - memory.file : 0;
}
// Tasks that wait a tenth of the time are short of memory whatever the cgroup's own limits are, because an ancestor's limit may be tighter.
constexpr bool is_stalled(const CgroupMemory& memory) { return memory.stalled >= 1000; }

constexpr size_t kLongestCgroupPath = 512;

// The directory of the process's own cgroup. `membership` is /proc/self/cgroup, `mount` is the mount point of cgroup v2. In a container
// without a namespace of its own the path is the host's, and the mount begins somewhere along the path. So the function drops names from
// the left until it finds a cgroup. False: there is no cgroup, or the path is too long.
bool find_cgroup(const char* membership, const char* mount, char (&path)[kLongestCgroupPath]);

// False if memory.current is not readable. Other files may be missing.
bool read_cgroup(const char* directory, CgroupMemory& memory);

}  // namespace tenure
