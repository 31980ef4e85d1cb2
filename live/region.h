// The live region of this process: its memory, its slots, and its leaving it to the parent after a fork.
//
// The memory lies at one place for as long as the process and its fork children live: a child maps its own there, and no pointer
// changes. It is committed in steps as slots are used; the file is as long from the start as it may become, with holes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/options/settings.h"
#include "live/counter_record.h"
#include "live/layout.h"
#include "live/own.h"

namespace tenure::live {

// Opens the region where the settings want one; `flags` for the header. Where that can't be done: one line on stderr. Before the first tenant
// is made, under tenants_mutex. `version` is the library's.
void open_region(LiveMode mode, uint32_t flags, const char* version);
// Whether there is one: a file, or in a fork child that could not make one, memory that nobody else sees.
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

// A counter was found spoiled.
void note_spoiled();

// Slots. Who is in the slot:
struct Identity {
  uint32_t id, parent, depth, flags;
  const char* name;
  uint32_t name_length;
};
// A slot for a new tenant, whose record is as that of a new counter, or kNoSlot. Under tenants_mutex.
uint32_t take_slot(const Identity& identity);
// Nobody has a way to the tenant any more. Lock-free, async-signal-safe.
void release_slot(uint32_t slot);
void set_slot_state(uint32_t slot, SlotState state);
CounterRecord& record_in(uint32_t slot);
// kNoSlot: the record does not lie in the region.
uint32_t slot_of(const CounterRecord* record);
// Slots that were used so far.
uint32_t used_slots();
// Of the tenant in it now, as this process knows it; 0: nobody is. And the tenant's id.
uint32_t generation_of(uint32_t slot);
uint32_t tenant_id_in(uint32_t slot);
// For live/event_ring: whether no event of the kind (below 8) was shown of the tenant in that tick of its clock. From now on one was.
bool is_first_in_tick(uint32_t slot, uint32_t tick, uint32_t kind);

// In a fork child, by one thread, with signals blocked, in this order. False: there is no file to be had, and leave_region() follows: then
// this process has no region, and its counters lie in its tenants.
// Maps a file of its own at the same place. All slots are free; their records are as they stand in the parent.
bool move_region();
// The tenant is in the slot since before the fork. False: in the parent another tenant is by now.
bool restore_slot(uint32_t slot, const Identity& identity);
// Others see the child from now on.
void publish_region();
void leave_region();

// For live/slots. Makes more slots usable; under tenants_mutex.
bool grow_region();
uint32_t usable_slots();
void add_flag(uint32_t flag);

}  // namespace tenure::live
