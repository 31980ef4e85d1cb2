// What the machine has.
#pragma once

#include <cstdint>

namespace tenure {

// One more than the largest CPU id the kernel may ever report in this boot (hot-added CPUs included).
// Read from /sys/devices/system/cpu/possible; where that cannot be read, the affinity mask's highest bit.
uint32_t possible_cpus();

}  // namespace tenure
