// The memory that the process as a whole takes from the system, and its limit: one counter beside the tenants' tree.
//
// Tenants are charged for what they asked for. The process is charged for what it takes from the system, byte for byte: the granules of the
// heap that may be resident, and the private memory that the program maps itself (mapped/); both ask before. So what is charged is
// at least what is resident, but for what nobody asks for: stacks, written pages of files, reservations of the program that are writable from
// the start (MAP_NORESERVE), the library's own metadata. These are looked at: where the resident memory is more than what was asked for, the
// difference is charged as well, whatever the limit, and later requests find less room. So a limit on the sum is one on resident memory.
//
// The limits, the policy, the reserve and the events are the root tenant's, where others see and change them (live/): the counter here
// takes over the limits when it is charged.
#pragma once

#include "accounting/counters/page_counter.h"
#include "base/options/settings.h"

namespace tenure {

extern constinit PageCounter process_memory;

// At bootstrap: the limits, the policy, and the name of the root tenant.
void limit_process(const Settings& settings);
// Limits of the root that have changed since are the process's from now on.
void follow_root_limits();
// Whether memory counts that the program maps itself, and what is resident beside it: as TENURE_MAPPED says; of itself, where there is a
// limit. Constant after limit_process().
bool counts_mappings();

// Writes the figures of the process to its live region, if there is one. Lock-free, async-signal-safe.
void show_process_memory();

// Bytes become the process's, whatever the limit.
void charge_process_anyway(uint64_t bytes);
inline void uncharge_process(uint64_t bytes) {
  if (bytes != 0) process_memory.uncharge(bytes);
}

// Charges the difference between what is resident and what was asked for, if mappings count. `coming` bytes are about to be asked for: a
// look is taken in each tick of the coarse clock, and for each mebibyte asked for.
void look_at_resident(uint64_t coming);
void look_at_resident_now();
// The charge for resident memory that nobody asked for. A part of process_memory.
uint64_t charged_beside();

// The charge for mappings, for reports. A part of process_memory.
void count_mapped(int64_t bytes);
uint64_t charged_for_mappings();

// In a fork child of a process with threads: what others had charged and not used yet is given back. `heap`, `mapped`: what these
// make up.
void mend_process_memory(uint64_t heap, uint64_t mapped);

}  // namespace tenure
