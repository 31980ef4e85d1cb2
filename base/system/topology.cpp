#include "base/system/topology.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "base/system/sandbox.h"
#include "base/system/system_file.h"
#include "base/words/bits.h"

namespace tenure {
namespace {

constexpr uint32_t kMostCpus = 8192;  // NR_CPUS of the largest distribution kernels.

// One more than the largest id in a list of the kernel, which is its last number: "0-3,8-11" has 11. 0 if it cannot be read.
uint32_t limit_in(const char* path) {
  char buffer[1024];
  const size_t n = read_system_file(path, buffer, sizeof buffer);
  uint32_t last = 0, number = 0;
  bool any = false;
  for (size_t i = 0; i < n; ++i) {
    if (buffer[i] >= '0' && buffer[i] <= '9') {
      number = number * 10 + static_cast<uint32_t>(buffer[i] - '0');
      if (number > kMostCpus) return 0;
      last = number;
      any = true;
    } else {
      number = 0;
    }
  }
  return any ? last + 1 : 0;
}

uint32_t from_affinity() {
  static constexpr size_t kWords = kMostCpus / 64;
  unsigned long mask[kWords] = {};
  // This process's mask may be narrower than the machine, so it is only a lower bound: the largest id that this process can run on now,
  // rounded up for later changes.
  if (sched_getaffinity(0, sizeof mask, reinterpret_cast<cpu_set_t*>(mask)) != 0) return 64;
  for (size_t i = kWords; i-- > 0;) {
    if (mask[i] != 0) return static_cast<uint32_t>(round_up(i * 64 + log2_floor(mask[i]) + 1, 64));
  }
  return 64;
}

struct Place {
  unsigned cpu = 0, node = 0;
};

Place current_place() {
  const int saved = errno;
  Place place;
  if (is_filtered()) return place;  // Not all architectures have it in the vDSO.
  if (getcpu(&place.cpu, &place.node) != 0) place = {};
  errno = saved;
  return place;
}

}  // namespace

uint32_t possible_cpus() {
  const int saved = errno;
  uint32_t count = limit_in("/sys/devices/system/cpu/possible");
  if (count == 0) count = from_affinity();
  errno = saved;
  return count;
}

uint32_t numa_nodes() {
  const uint32_t count = limit_in("/sys/devices/system/node/has_cpu");
  return count != 0 ? count : 1;
}

uint32_t current_cpu() { return current_place().cpu; }

uint32_t current_node() { return current_place().node; }

}  // namespace tenure
