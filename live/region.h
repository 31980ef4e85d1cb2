// The live region of this process: its memory, its slots, and the move to a region of its own in a fork child.
//
// The memory stays at one address as long as the process and its fork children live: a child maps its own region there, and no pointer
// changes. The memory is committed in steps as slots are used. The file has its final length from the start, with holes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/options/settings.h"
#include "live/counter_record.h"
#include "live/layout.h"
#include "live/own.h"

namespace tenure::live {

// Opens the region, if the settings request one. `flags` are for the header, `version` is the library's. If the region cannot be made, it
// writes one line to stderr. Called before the first tenant is made, under tenants_mutex.
void open_region(LiveMode mode, uint32_t flags, const char* version);
// Whether there is a region: a file, or, in a fork child that could not make a file, memory that no other process sees.
bool is_open();
// The file's name, or "".
const char* region_path();
// For live/answer_file: makes, or removes, the file that answers the request at `place`. A descriptor, or a negative errno.
int make_answer_file(uint32_t place);
void remove_answer_file(uint32_t place);
// The process ends: the file goes.
void end_region();
// Of the address space: os::GrowingRange.
void give_up_unused_region();

Header& header();
TenantSlot& slot_at(uint32_t slot);
Request* requests();
LevelTotals& level_totals();
ClassTotals* class_totals();
// The places of events and reports. nullptr where there is no room. Lock-free, async-signal-safe.
Event* events();
Report* reports();

// Notes that a counter was spoiled.
void note_spoiled();

// Slots. The tenant in a slot:
struct Identity {
  uint32_t id, parent, depth, flags;
  const char* name;
  uint32_t name_length;
};
// A slot for a new tenant, with the record of a new counter, or kNoSlot. Under tenants_mutex.
uint32_t take_slot(const Identity& identity);
// Releases the slot of a tenant that no thread can reach any more. Lock-free, async-signal-safe.
void release_slot(uint32_t slot);
void set_slot_state(uint32_t slot, SlotState state);
CounterRecord& record_in(uint32_t slot);
// kNoSlot: the record does not lie in the region.
uint32_t slot_of(const CounterRecord* record);
// The number of slots that were ever used.
uint32_t used_slots();
// The generation of the tenant in the slot, from this process's own data; 0: no tenant. And the tenant's id.
uint32_t generation_of(uint32_t slot);
uint32_t tenant_id_in(uint32_t slot);
// For live/event_ring: whether no event of the kind (below 8) was shown of the tenant in that tick of its clock. Notes that one was shown.
bool is_first_in_tick(uint32_t slot, uint32_t tick, uint32_t kind);

// In a fork child, by one thread, with signals blocked, in this order. False: no file can be made, and the caller calls leave_region().
// This process has no region then, and its counters are in its tenants. Maps a file of its own at the same place. All slots are free; their
// records are as they stand in the parent.
bool move_region();
// The tenant has been in the slot since before the fork. False: the parent has given the slot to another tenant by now.
bool restore_slot(uint32_t slot, const Identity& identity);
// Publishes the region: other processes see the child from now on.
void publish_region();
void leave_region();

// For live/slots. Makes more slots usable; under tenants_mutex.
bool grow_region();
uint32_t usable_slots();
void add_flag(uint32_t flag);

}  // namespace tenure::live
