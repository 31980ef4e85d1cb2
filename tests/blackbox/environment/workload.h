#pragma once

#include <stddef.h>

namespace blackbox {

// What a program does with its heap, in short: all entry points and sizes, calloc after dirty reuse,
// growth by realloc, threads, malloc_trim, fork. Where memory is limited a NULL with ENOMEM is in order.
struct WorkloadOptions {
  bool threads =
      true;  // glibc ends the process where a new thread cannot register itself with rseq
  bool memory_is_limited = false;
  size_t largest = 16 << 20;
};
void run_workload(const WorkloadOptions& options = {});

// Allocates objects of a size until there is no more memory (or `cap` bytes), requires ENOMEM then, frees
// them all and requires that the heap works as before. Returns how many bytes there were.
size_t exhaust(size_t object_size, size_t cap);

}  // namespace blackbox
