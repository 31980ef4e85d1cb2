// The machine's processors, nodes and memory.
#pragma once

#include <cstdint>

namespace tenure {

// One more than the largest CPU id the kernel may ever report in this boot (hot-added CPUs included).
// Read from /sys/devices/system/cpu/possible; where that cannot be read, the affinity mask's highest bit.
uint32_t possible_cpus();

// One more than the largest id of a NUMA node that has CPUs, as /sys/devices/system/node/has_cpu has it; 1 where that cannot be read.
uint32_t numa_nodes();

// The CPU this thread runs on, and its node; 0 where the kernel does not say. Async-signal-safe, keep errno.
uint32_t current_cpu();
uint32_t current_node();

}  // namespace tenure
