// The functions of heap.h.
#include <errno.h>

#include "allocator/control/statistics.h"
#include "allocator/heap/bootstrap.h"
#include "allocator/slabs/arena.h"
#include "allocator/upkeep/helper.h"
#include "api/process/lifecycle.h"
#include "api/process/ownership.h"
#include "base/system/log.h"
#include "tenure/heap.h"

#ifndef TENURE_VERSION
#define TENURE_VERSION "0.1.0"
#endif

TENURE_EXPORT const char* tenure_version(void) { return TENURE_VERSION; }

TENURE_EXPORT const char* tenure_mode(void) {
  tenure::bootstrap();
  return tenure::arena.rseq ? "rseq" : "fallback";
}

TENURE_EXPORT int tenure_active(void) { return tenure::owns_malloc(); }

TENURE_EXPORT int tenure_stats(struct tenure_stats* stats) {
  if (stats == nullptr || stats->struct_size < sizeof stats->struct_size) return -EINVAL;
  tenure::HeapStatistics heap;
  tenure::collect_statistics(heap);
  const size_t used = heap.slab_bytes + heap.large_bytes;
  struct tenure_stats full = {};
  full.struct_size = stats->struct_size;
  full.allocated = heap.allocated_bytes;
  full.cached = heap.cached_bytes;
  full.slab_bytes = heap.slab_bytes;
  full.large_bytes = heap.large_bytes;
  full.resident_estimate = heap.resident_bytes();
  full.meta = heap.meta_bytes;
  full.committed = heap.committed_bytes;
  full.purged = heap.committed_bytes - used - heap.dirty_bytes;
  const size_t known = full.struct_size < sizeof full ? full.struct_size : sizeof full;
  __builtin_memcpy(stats, &full, known);
  return 0;
}

TENURE_EXPORT void tenure_stats_print(int fd, int json) { tenure::print_statistics(fd, json != 0); }

TENURE_EXPORT int tenure_validate(void) {
  const tenure::HelperPause helper_waits;
  bool only_lost = false;
  const char* const wrong = tenure::validate_heap(&only_lost);
  if (wrong == nullptr) return 0;
  tenure::log_line(wrong);
  return only_lost && tenure::threads_lost_in_fork() ? -EOWNERDEAD : -EIO;
}
