// Threads as rules see them: where they start, how they are called.
#pragma once

#include <pthread.h>

#include <cstddef>

#include "rules/path_template.h"

namespace tenure::rules {

// Sees to it that the thread leaves its tenants when it ends, however it does. False: it would not be noticed; then the thread must not become a
// member of a tenant.
bool notice_end_of_this_thread();
void register_main_thread();
// In a fork child.
void forget_other_threads();

// The thread's name is set: the rules are asked anew. "name@/tenant" names the tenant itself: `tenant` is then what follows the '@', else
// nullptr.
void rename_this_thread(const char* name, const char* tenant);
// False: the thread is not known, or is the calling one.
bool leave_name_for(pthread_t thread, const char* name, const char* tenant);
void take_pending_name();

// The name without "@/tenant" (at most 15 characters); the tenant, in `name`, or nullptr where it names none.
const char* split_name(const char* name, size_t most, char (&plain)[16]);

// A path that a program gives, with clean names. False: it does not begin with '/', or is too long.
bool clean_path(const char* path, char (&clean)[kPathBytes]);

}  // namespace tenure::rules
