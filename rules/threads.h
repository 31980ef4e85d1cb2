// Threads as rules see them: their start routine and their name.
#pragma once

#include <pthread.h>

#include <cstddef>

#include "rules/matching/path_template.h"

namespace tenure::rules {

// Ensures that the thread leaves its tenants at its end, however it ends. False: the end would not be noticed, so the thread must not
// become a member of a tenant.
bool notice_end_of_this_thread();
void register_main_thread();
// In a fork child.
void forget_other_threads();

// The thread's name is set, so its rule is chosen anew. "name@/tenant" names the tenant itself: `tenant` is then the part behind the '@',
// else nullptr.
void rename_this_thread(const char* name, const char* tenant);
// False: the thread is unknown, or is the calling one.
bool leave_name_for(pthread_t thread, const char* name, const char* tenant);
void take_pending_name();

// Splits off the name without "@/tenant" (at most 15 characters). Returns the tenant in `name`, or nullptr without one.
const char* split_name(const char* name, size_t most, char (&plain)[16]);

// Copies a path of a program, with clean names. False: the path does not begin with '/', or is too long.
bool clean_path(const char* path, char (&clean)[kPathBytes]);

}  // namespace tenure::rules
