#include "base/system/topology.h"

#include <errno.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace tenure {
namespace {

// One more than the last number of "0-3,8-11".
std::optional<uint32_t> limit_of(const char* path) {
  std::ifstream file(path);
  std::string list;
  if (!std::getline(file, list)) return std::nullopt;
  return static_cast<uint32_t>(std::stoul(list.substr(list.find_last_of(",-") + 1)) + 1);
}

TEST(Topology, EveryCpuWeMayRunOnIsPossible) {
  cpu_set_t set;
  CPU_ZERO(&set);
  ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  const uint32_t count = possible_cpus();
  for (uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) {
      EXPECT_LT(cpu, count);
    }
  }
  EXPECT_LT(static_cast<uint32_t>(sched_getcpu()), count);
}

TEST(Topology, IsWhatTheKernelSays) {
  const auto limit = limit_of("/sys/devices/system/cpu/possible");
  if (!limit) GTEST_SKIP() << "no sysfs";
  EXPECT_EQ(possible_cpus(), *limit);
}

TEST(Topology, DoesNotDependOnTheAffinity) {
  const uint32_t before = possible_cpus();
  std::thread([&] {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(sched_getcpu(), &set);
    ASSERT_EQ(sched_setaffinity(0, sizeof set, &set), 0);
    EXPECT_EQ(possible_cpus(), before);
  }).join();
}

TEST(Topology, NodesAreThoseOfTheKernel) {
  EXPECT_GE(numa_nodes(), 1u);
  const auto limit = limit_of("/sys/devices/system/node/has_cpu");
  if (!limit) GTEST_SKIP() << "no nodes in sysfs";
  EXPECT_EQ(numa_nodes(), *limit);
  EXPECT_LT(current_node(), numa_nodes());
}

TEST(Topology, TheCurrentCpuIsTheOneWeArePinnedTo) {
  std::thread([] {
    const int cpu = sched_getcpu();
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ASSERT_EQ(sched_setaffinity(0, sizeof set, &set), 0);
    EXPECT_EQ(current_cpu(), static_cast<uint32_t>(cpu));
  }).join();
}

TEST(Topology, KeepsErrno) {
  errno = 4711;
  possible_cpus();
  numa_nodes();
  current_cpu();
  current_node();
  EXPECT_EQ(errno, 4711);
}

}  // namespace
}  // namespace tenure
