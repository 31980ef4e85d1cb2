// What the process as a whole takes from the system, and the limit on it: one counter beside the tenants' tree.
//
// Tenants are charged for what they asked for. The process is charged for what it takes from the system, byte for byte: the granules of the
// heap that may be resident, the private memory that the program maps itself (mapped/), and what is resident beside these
// (allocator/process_limit.h). So the sum of all is never less than the resident memory that the kernel counts, and a limit on the sum
// is a limit on that. The process's policy, reserve and events are the root tenant's.
#pragma once

#include "accounting/page_counter.h"
#include "base/settings.h"

namespace tenure {

extern constinit PageCounter process_memory;

// At bootstrap: the limits, the policy, and the name of the root tenant.
void limit_process(const Settings& settings);

// Whether memory counts that the program maps itself, and what is resident beside it: as TENURE_MAPPED says; of itself, where there is a limit.
bool counts_mappings(const Settings& settings);

// Bytes become the process's, whatever the limit.
void charge_process_anyway(uint64_t bytes);
inline void uncharge_process(uint64_t bytes) {
  if (bytes != 0) process_memory.uncharge(bytes);
}

}  // namespace tenure
