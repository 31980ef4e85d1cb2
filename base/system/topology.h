// The machine's processors, nodes and memory.
#pragma once

#include <cstdint>

namespace tenure {

// One more than the largest CPU id that the kernel may ever report in this boot (hot-added CPUs included). Read from
// /sys/devices/system/cpu/possible, or, if that cannot be read, from the affinity mask's highest bit.
uint32_t possible_cpus();

// One more than the largest id of a NUMA node that has CPUs, from /sys/devices/system/node/has_cpu; 1 if that cannot be read.
uint32_t numa_nodes();

// The CPU of this thread, and its node; 0 if the kernel does not tell. Async-signal-safe, keep errno.
uint32_t current_cpu();
uint32_t current_node();

}  // namespace tenure
