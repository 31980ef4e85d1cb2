// Threads that the program makes are counted, and some start inside a tenant.
#pragma once

#include <pthread.h>

namespace tenure {

// pthread_create for a thread that is not the program's: libc's.
int create_thread_of_ours(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*routine)(void*), void* argument);

// The thread that calls this is the one that the program began with, as far as can be told. False: threads cannot be counted.
bool note_main_thread();
// In a fork child: the thread that is left is the one that the program began with.
void count_threads_anew_after_fork();

}  // namespace tenure
