// The memory that the process as a whole takes from the system, and its limit: one counter beside the tenants' tree.
//
// Tenants are charged for the memory that they requested. The process is charged for the memory that it takes from the system, byte for
// byte: the granules of the heap that may be resident, and the private memory that the program maps itself (mapped/). Both are charged in
// advance. So the charge is at least the resident memory, except for memory that no function requests: stacks, written pages of files,
// reservations of the program that are writable from the start (MAP_NORESERVE), and the library's own metadata. The library compares the
// resident memory with the requested memory. If it is more, the difference is charged as well, whatever the limit, and later requests find
// less room. So a limit on the sum is a limit on resident memory.
//
// The limits, the policy, the reserve and the events are the root tenant's, where other processes see and change them (live/). The counter
// here takes over the limits when it is charged.
#pragma once

#include "accounting/counters/page_counter.h"
#include "base/options/settings.h"

namespace tenure {

extern constinit PageCounter process_memory;

// At bootstrap: the limits, the policy, and the name of the root tenant.
void limit_process(const Settings& settings);
// Takes over changed limits of the root for the process.
void follow_root_limits();
// Whether memory counts that the program maps itself, and resident memory beside it: as TENURE_MAPPED says, or, by default, if there is a
// limit. Constant after limit_process().
bool counts_mappings();

// Writes the figures of the process to its live region, if there is one. Lock-free, async-signal-safe.
void show_process_memory();

// Charges the bytes to the process, whatever the limit.
void charge_process_anyway(uint64_t bytes);
inline void uncharge_process(uint64_t bytes) {
  if (bytes != 0) process_memory.uncharge(bytes);
}

// Charges the difference between resident and requested memory, if mappings count. `coming` bytes are about to be requested. The library
// compares in each tick of the coarse clock, and for each requested mebibyte.
void look_at_resident(uint64_t coming);
void look_at_resident_now();
// The charge for resident memory that no function requested. A part of process_memory.
uint64_t charged_beside();

// The charge for mappings, for reports. A part of process_memory.
void count_mapped(int64_t bytes);
uint64_t charged_for_mappings();

// In a fork child of a process with threads: gives back memory that other threads had charged and not used yet. `heap` and `mapped` are the
// true sums of these parts.
void mend_process_memory(uint64_t heap, uint64_t mapped);

}  // namespace tenure
