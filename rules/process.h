// The process as rules see it: its name and command line; the tenant that its threads start in.
#pragma once

#include <sys/types.h>

#include "rules/facts.h"
#include "rules/tenants.h"

namespace tenure::rules {

// Valid from the constructor of the library on.
const ProcessFacts& process_facts();
// Whether the memory is this process's own: false in a child of vfork, which must not change what is its parent's. A system call.
bool owns_memory();

// With rules_mutex held: one more member of the tenant that the process's threads are in.
Membership join_process_base();
// With rules_mutex held: the main thread has another name.
void set_process_name(const char* name);
// With rules_mutex held: for rules that were just loaded.
void apply_new_rules();

}  // namespace tenure::rules
