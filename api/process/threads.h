// Counts the threads that the program makes. Some of them start inside a tenant.
#pragma once

#include <pthread.h>

namespace tenure {

// libc's pthread_create, for a thread of the library.
int create_thread_of_ours(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*routine)(void*), void* argument);

// Notes that the calling thread is the program's first thread, as far as the library can tell. False: threads cannot be counted.
bool note_main_thread();
// In a fork child: the remaining thread counts as the program's first thread.
void count_threads_anew_after_fork();

}  // namespace tenure
