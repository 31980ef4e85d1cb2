// The table behind tenants.h: places for tenants, found by path.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "rules/matching/path_template.h"
#include "rules/tenants.h"

namespace tenure::rules {

constexpr uint32_t kNoRule = UINT32_MAX;

struct Place {
  // MemberWord. Changed by compare-and-swap; the generation by the holder of rules_mutex.
  std::atomic<uint64_t> word;
  std::atomic<uint32_t> is_listed;      // 1: on the stack of departed ones.
  std::atomic<uint32_t> next_departed;  // Written by the thread that has set is_listed.
  // Written by the holder of rules_mutex, while there are no members.
  tenure_tenant* tenant;
  // Protected by rules_mutex.
  uint32_t next;  // In the chain of its hash, or of free places.
  uint32_t hash;
  uint32_t parent;  // 0: the root.
  uint32_t rule;    // The rule that counts the tenant; kNoRule.
  uint32_t template_hash;
  uint32_t recounted;
  bool is_used;
  bool stays;
  char path[kPathBytes];
};

bool reserve_places();
uint32_t hash_path(const char* path, size_t length);
uint32_t index_of(const Place& place);
Place& place_at(uint32_t index);
Place& place_of(Reference reference);
Reference reference_of(const Place& place);

// With rules_mutex held.
Place* find_place(const char* path, size_t length);
// A place of that path without members, in no chain; nullptr: there is none left.
Place* take_place(const char* path, size_t length);
void publish_place(Place& place, uint32_t members);
void give_place_back(Place& place);
// Adds a member, also if there is none at present.
void add_member(Place& place);
Place* pop_departed();
// Whether the place has no members. If so, no member can join any more.
bool claim_departed(Place& place);
// The number of places that were ever used.
uint32_t places_in_use();
template <typename Visit>
void for_each_place(Visit visit) {
  for (uint32_t i = 1; i <= places_in_use(); ++i) {
    if (place_at(i).is_used) visit(place_at(i));
  }
}

// Lock-free.
bool departed_waiting();
bool join_place(Reference reference);
void leave_place(Membership membership);

// In a fork child, which has one thread.
void rebuild_places();
void begin_recount();
void count_member(Reference reference);
void finish_recount();

}  // namespace tenure::rules
