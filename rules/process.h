// The process as rules see it: its name and command line, and the tenant in which its threads start.
#pragma once

#include <sys/types.h>

#include "rules/matching/facts.h"
#include "rules/tenants.h"

namespace tenure::rules {

// Valid from the constructor of the library on.
const ProcessFacts& process_facts();
// Whether the memory is this process's own. False in a child of vfork, which must not change its parent's memory. Makes a system call.
bool owns_memory();

// With rules_mutex held: adds a member to the tenant of the process's threads.
Membership join_process_base();
// With rules_mutex held: the main thread has another name.
void set_process_name(const char* name);
// With rules_mutex held: for rules that were just loaded.
void apply_new_rules();

}  // namespace tenure::rules
